"""Hostile documents (reliability.md section 3.4): each ends in a text or in one error, soon, and the next document is read as ever."""

import socket
import time
import zlib
from collections.abc import Iterator

import pytest

from tests.unit.documents.making import (
    docx_file,
    docx_with,
    epub_file,
    msg_file,
    odt_file,
    pdf_file,
    pdf_of,
    pptx_file,
    relations,
    shape,
    unzipped,
    xls_file,
    xlsx_file,
    zipped,
)
from tests.unit.documents.test_archive import claiming, overlapping, with_entry
from worker.engine.errors import NodeError
from worker.engine.inbox import Inbox
from worker.sandbox.documents import DocumentSandbox

#: Seconds within which each document here has to be done with.
SOON_S = 10

PREFIX = {
    "docx": "DOCX",
    "xlsx": "Excel file",
    "xls": "Excel file",
    "pptx": "PPTX",
    "odt": "ODT",
    "epub": "EPUB",
    "pdf": "PDF",
    "msg": "MSG",
}


@pytest.fixture(scope="module")
def sandbox() -> Iterator[DocumentSandbox]:
    sandbox = DocumentSandbox()
    yield sandbox
    sandbox.close()


@pytest.fixture(autouse=True)
def _healthy_afterwards(sandbox) -> Iterator[None]:
    started = time.monotonic()
    yield
    assert time.monotonic() - started < SOON_S
    assert text_of(sandbox, b"well", "txt") == "well"


@pytest.fixture
def canary() -> Iterator[socket.socket]:
    """A server that nobody may connect to."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server
        server.setblocking(False)
        with pytest.raises(BlockingIOError):
            server.accept()


def text_of(sandbox: DocumentSandbox, content: bytes, kind: str) -> str:
    return sandbox.extract_text(content, f".{kind}", "", Inbox())


def refusal(sandbox: DocumentSandbox, content: bytes, kind: str) -> str:
    """What is wrong with a document, without the words that every failure of its kind begins with."""
    with pytest.raises(NodeError) as caught:
        text_of(sandbox, content, kind)
    assert caught.value.error_type == "TextExtractionError"
    beginning = f"Failed to extract text from {PREFIX[kind]}: "
    assert caught.value.message.startswith(beginning)
    return caught.value.message.removeprefix(beginning)


def address(canary: socket.socket) -> str:
    return f"http://127.0.0.1:{canary.getsockname()[1]}/x"


ZIPPED_KINDS = ("docx", "xlsx", "pptx", "odt", "epub")


@pytest.mark.parametrize("kind", ZIPPED_KINDS)
def test_bombs_are_not_unpacked(sandbox, kind):
    assert "100 times as large" in refusal(sandbox, zipped({"word/document.xml": bytes(20_000_000)}), kind)
    assert "more than the 209715200 that are allowed" in refusal(sandbox, claiming(2**32 - 2), kind)
    assert "overlap" in refusal(sandbox, overlapping(50, b"some bytes that are shared"), kind)


def test_bombs_in_archives_in_archives_are_not_looked_for(sandbox):
    bomb = zipped({f"{number}.zip": zipped({"0": bytes(1_000_000)}) for number in range(16)})

    assert refusal(sandbox, bomb, "docx")
    assert text_of(sandbox, zipped({**unzipped(docx_file("text")), "word/embeddings/bomb.zip": bomb}), "docx") == "text"


def test_entry_that_lies_about_its_size_is_no_way_around(sandbox):
    content = zipped({"content.xml": b"<a>" + b"x" * 100_000 + b"</a>"})
    lying = content.replace((100_007).to_bytes(4, "little"), (100).to_bytes(4, "little"))

    assert lying != content
    assert "CRC" in refusal(sandbox, lying, "odt")


@pytest.mark.parametrize("kind", ZIPPED_KINDS)
def test_names_that_lead_out_are_refused(sandbox, kind):
    assert "outside of it, '../../x'" in refusal(sandbox, with_entry("../../x"), kind)


LAUGHS = "<!DOCTYPE x [<!ENTITY l0 'ha'>{}]>".format("".join(f"<!ENTITY l{n} '{f'&l{n - 1};' * 10}'>" for n in range(1, 12)))
TEXT_ENTITY = "<w:p><w:r><w:t>&l11;</w:t></w:r></w:p>"


def test_billions_of_laughs_are_refused(sandbox):
    assert "declares XML entities" in refusal(sandbox, docx_with(TEXT_ENTITY, LAUGHS), "docx")
    assert "declares XML entities" in refusal(sandbox, odt_file("<text:p>&l11;</text:p>", LAUGHS), "odt")


def test_laughs_under_another_name_are_refused_by_the_parser(sandbox):
    """A part is XML by its declared type, whatever its name is; so the look at names is not the only defence."""
    entries = unzipped(docx_with(TEXT_ENTITY, LAUGHS))
    entries["word/hidden.bin"] = entries.pop("word/document.xml")
    entries["_rels/.rels"] = entries["_rels/.rels"].replace(b"word/document.xml", b"word/hidden.bin")
    entries["[Content_Types].xml"] = entries["[Content_Types].xml"].replace(b"/word/document.xml", b"/word/hidden.bin")

    assert "amplification" in refusal(sandbox, zipped(entries), "docx")


@pytest.mark.parametrize("prologue", ["<!DOCTYPE x [<!ENTITY e SYSTEM '{}'>]>", "<!DOCTYPE x [<!ENTITY % e SYSTEM '{}'> %e;]>"])
def test_external_entities_are_not_fetched(sandbox, canary, prologue):
    for target in (address(canary), "file:///etc/passwd"):
        assert "declares XML entities" in refusal(sandbox, odt_file("<text:p>&e;</text:p>", prologue.format(target)), "odt")


def test_external_document_types_are_not_fetched(sandbox, canary):
    prologue = f"<!DOCTYPE x SYSTEM '{address(canary)}'>"

    assert text_of(sandbox, odt_file("<text:p>text</text:p>", prologue), "odt") == "text"
    assert text_of(sandbox, docx_with("<w:p><w:r><w:t>text</w:t></w:r></w:p>", prologue), "docx") == "text"
    assert text_of(sandbox, epub_file({"a": f"{prologue}<html><img src='{address(canary)}'/>text</html>"}), "epub") == "text"


def test_external_template_of_a_document_is_not_fetched(sandbox, canary):
    external = relations(("t", "attachedTemplate", address(canary))).replace("/>", ' TargetMode="External"/>')

    assert text_of(sandbox, zipped({**unzipped(docx_file("text")), "word/_rels/settings.xml.rels": external}), "docx") == "text"


def test_markup_of_great_depth_is_refused(sandbox):
    assert "depth" in refusal(sandbox, docx_with("<w:p>" * 100_000 + "</w:p>" * 100_000), "docx").lower()
    assert "depth" in refusal(sandbox, pptx_file(["<p:grpSp>" * 1000 + "</p:grpSp>" * 1000]), "pptx").lower()


@pytest.mark.parametrize("kind", ["json", "yaml"])
def test_lists_of_great_depth_are_refused(sandbox, kind):
    with pytest.raises(NodeError, match=rf"(?s)^Failed to decode or parse {kind.upper()} file: .*nest"):
        text_of(sandbox, b"[" * 100_000, kind)


def test_aliases_of_aliases_are_not_expanded(sandbox):
    levels = "".join(f"l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 10)}]\n" for n in range(1, 30))

    assert len(text_of(sandbox, f"l0: &l0 [ha]\n{levels}".encode(), "yaml")) < 10_000


def test_amounts_that_a_document_claims_need_no_memory(sandbox):
    row = '<row r="1"><c r="A1" t="inlineStr"><is><t>x</t></is></c></row>'
    wide = '<w:tbl><w:tr><w:tc><w:tcPr><w:gridSpan w:val="2000000000"/></w:tcPr><w:p><w:r><w:t>x</w:t></w:r></w:p></w:tc></w:tr></w:tbl>'

    assert text_of(sandbox, xlsx_file(row, dimension="A1:XFD1048576"), "xlsx") == "| x |\n| - |\n\n"
    assert refusal(sandbox, xlsx_file(row.replace('"A1"', '"XFD1048576"').replace('r="1"', 'r="1048576"')), "xlsx")
    assert "memory" in refusal(sandbox, docx_with(wide), "docx")


def test_many_pages_are_read(sandbox):
    assert text_of(sandbox, pdf_file(*["x"] * 10_000), "pdf") == "x" * 10_000


@pytest.mark.parametrize("kids", ["2 0 R", "3 0 R", "1 0 R", "3 0 R 2 0 R"])
def test_loops_in_a_pdf_end(sandbox, kids):
    pages = f"<< /Type /Pages /Count 1000000 /Kids [{kids}] /Parent 3 0 R >>"
    content = pdf_of(["<< /Type /Catalog /Pages 2 0 R >>", pages, "<< /Type /Pages /Count 5 /Kids [2 0 R] /Parent 2 0 R >>"])

    assert refusal(sandbox, content, "pdf")


def test_loops_in_the_contents_of_a_page_end(sandbox):
    form = "/Resources << /XObject << /X 4 0 R >> >>"
    drawing = "<< /Type /XObject /Subtype /Form /BBox [0 0 9 9] {} /Length 5 >>\nstream\n/X Do\nendstream"
    page = f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 9 9] {form} /Contents 4 0 R >>"
    objects = ["<< /Type /Catalog /Pages 2 0 R >>", "<< /Type /Pages /Count 1 /Kids [3 0 R] >>", page, drawing.format(form)]

    assert text_of(sandbox, pdf_of(objects), "pdf") == ""


def test_contents_of_a_page_that_unpack_to_more_than_the_memory_are_refused(sandbox):
    packed = zlib.compress(zlib.compress(bytes(400_000_000), 1))
    filters = "/Filter [/FlateDecode /FlateDecode]"
    page = "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 9 9] /Contents 4 0 R >>"
    stream = f"<< /Length {len(packed)} {filters} >>\nstream\n{packed.decode('latin-1')}\nendstream"
    objects = ["<< /Type /Catalog /Pages 2 0 R >>", "<< /Type /Pages /Count 1 /Kids [3 0 R] >>", page, stream]

    assert "crashed or was killed" in refusal(sandbox, pdf_of(objects), "pdf")


def test_loops_in_a_compound_file_end(sandbox):
    content = bytearray(msg_file(p1000001F=b"x\0"))
    for sector in (1, 3):
        # In the chain of the directory, and in that of the text, a sector is its own successor.
        content[512 + 4 * sector : 516 + 4 * sector] = sector.to_bytes(4, "little")

    assert text_or_error(sandbox, bytes(content), "msg")


SAMPLES = {
    "docx": docx_file("text"),
    "xlsx": xlsx_file('<row r="1"><c r="A1"><v>1</v></c></row>'),
    "xls": xls_file([(0, 0, "text")]),
    "pptx": pptx_file([shape("text")]),
    "odt": odt_file("<text:p>text</text:p>"),
    "epub": epub_file({"a.xhtml": "<p>text</p>"}),
    "pdf": pdf_file("text"),
    "msg": msg_file(p1000001F="text".encode("utf-16-le")),
    "eml": b"Subject: x\n\ntext\n",
    "json": b'{"a": 1}',
    "yaml": b"a: 1\n",
    "csv": b"a,b\n1,2\n",
    "properties": b"a=1\n",
    "txt": b"text",
}


def text_or_error(sandbox: DocumentSandbox, content: bytes, kind: str) -> str:
    try:
        return text_of(sandbox, content, kind)
    except NodeError as error:
        return error.message


@pytest.mark.parametrize("kind", SAMPLES)
def test_files_that_are_cut_off_do_no_harm(sandbox, kind):
    content = SAMPLES[kind]

    assert text_of(sandbox, content, kind)
    for share in (0.1, 0.5, 0.9, 0.99):
        text_or_error(sandbox, content[: int(len(content) * share)], kind)


@pytest.mark.parametrize("kind", PREFIX)
def test_files_without_content_are_refused(sandbox, kind):
    assert refusal(sandbox, b"", kind)


@pytest.mark.parametrize("kind", ["eml", "yaml", "csv", "properties", "txt"])
def test_texts_without_content_are_empty(sandbox, kind):
    assert text_of(sandbox, b"", kind) == ""


@pytest.mark.parametrize("kind", PREFIX)
def test_files_of_another_kind_are_refused(sandbox, kind):
    for other, content in SAMPLES.items():
        if {kind, other} != {"xls", "xlsx"} and kind != other:
            assert refusal(sandbox, content, kind)


def test_relation_of_a_slide_to_itself_ends(sandbox):
    entries = unzipped(pptx_file([shape("text")]))
    entries["ppt/slides/_rels/slide1.xml.rels"] = relations(("n", "notesSlide", "slide1.xml")).encode()

    assert text_of(sandbox, zipped(entries), "pptx") == "text\ntext"
