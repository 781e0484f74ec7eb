"""What no archive may have: reliability.md section 3.4."""

import copy
import io
import secrets
import stat
import struct
import zipfile

import pytest

from tests.unit.documents.making import zipped
from worker.documents.archive import open_archive
from worker.documents.reading import DocumentRefused


def refusal(content: bytes) -> str:
    with pytest.raises(DocumentRefused) as caught:
        open_archive(content)
    return str(caught.value)


def with_entry(name: str, data: str = "x", **attributes: int) -> bytes:
    entry = zipfile.ZipInfo(name)
    for attribute, value in attributes.items():
        setattr(entry, attribute, value)
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr(entry, data)
    return content.getvalue()


def overlapping(count: int, data: bytes) -> bytes:
    """An archive in which many entries are one and the same."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("0", data)
        for number in range(1, count):
            entry = copy.copy(archive.filelist[0])
            entry.filename = str(number)
            archive.filelist.append(entry)
    return content.getvalue()


def claiming(size_bytes: int) -> bytes:
    """An archive whose directory claims a size for its one entry."""
    content = zipped({"word/document.xml": "<a/>"})
    place = content.index(b"PK\x01\x02") + 24
    return content[:place] + struct.pack("<I", size_bytes) + content[place + 4 :]


def test_ordinary_archives_are_opened():
    with open_archive(zipped({"a/b.xml": "<a/>", "c.bin": b"\0" * 1000, "empty.xml": ""})) as archive:
        assert archive.read("c.bin") == b"\0" * 1000


@pytest.mark.parametrize("name", ["../../x", "a/../../x", "/etc/passwd", "..\\x", "C:/x", "\\\\server\\x"])
def test_names_that_lead_out_are_refused(name):
    assert refusal(with_entry(name)).startswith("it has an entry outside of it")


def test_links_are_refused():
    assert refusal(with_entry("a", "/etc/passwd", external_attr=(stat.S_IFLNK | 0o777) << 16)) == "its entry 'a' is a link"


def test_too_many_entries_are_refused():
    assert refusal(zipped(dict.fromkeys(map(str, range(10_001)), b""))).startswith("it has 10001 entries")


def test_entries_that_share_their_bytes_are_refused():
    assert refusal(overlapping(2, b"a few bytes")).startswith("its entries overlap")
    assert "times as large" in refusal(overlapping(100, b"0" * 100_000))


def test_what_unpacks_to_too_much_is_refused():
    assert refusal(zipped({"a": bytes(10_000_000)})) == "unpacked it is more than 100 times as large"
    assert refusal(claiming(2**32 - 2)).startswith("unpacked it has 4294967294 bytes")


ENTITY = "<!ENTITY a 'b'>"


@pytest.mark.parametrize(
    "markup",
    [
        f"<!DOCTYPE a [{ENTITY}]><a>&a;</a>",
        f"<?xml version='1.0'?><!-- {secrets.token_hex(100_000)} --><!DOCTYPE a SYSTEM 'b' [{ENTITY}]><a/>",
        f"<?xml version='1.0' encoding='UTF-16'?><!DOCTYPE a [{ENTITY}]><a/>".encode("utf-16"),
    ],
)
@pytest.mark.parametrize("name", ["word/document.xml", "_rels/.rels", "book.OPF"])
def test_declarations_of_entities_are_refused(markup, name):
    assert refusal(zipped({name: markup})) == "it declares XML entities, which are not allowed"


def test_a_document_type_without_declarations_is_fine():
    open_archive(zipped({"a.xml": "<!DOCTYPE a PUBLIC 'x' 'http://example.com/a.dtd'><a/>"})).close()


def test_markup_that_cannot_be_looked_into_is_refused():
    assert "is not well-formed XML" in refusal(zipped({"a.xml": "<?xml version='1.0' encoding='x-unknown'?><a/>"}))


def test_other_files_are_no_archives():
    with pytest.raises(zipfile.BadZipFile):
        open_archive(b"%PDF-1.4")
