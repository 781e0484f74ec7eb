"""ZIP archives, of which most office formats are made, looked at before anything in them is unpacked (reliability.md section 3.4)."""

from __future__ import annotations

import io
import stat
import zipfile
from collections.abc import Iterable
from contextlib import suppress
from itertools import pairwise
from typing import IO
from xml.parsers import expat

from worker.documents.reading import DocumentRefused

MAX_ENTRIES = 10_000
MAX_UNPACKED_BYTES = 200 * 1024 * 1024
#: Unpacked bytes for each byte of the archive; office documents reach about 40.
MAX_RATIO = 100

#: Bytes of an entry's header in front of its data, without name and extra field.
HEADER_BYTES = 30

READ_BYTES = 1 << 16

MARKUP = (".xml", ".rels", ".opf")


def open_archive(content: bytes) -> zipfile.ZipFile:
    """The archive, after all checks. Raises ``DocumentRefused`` or ``BadZipFile``."""
    archive = zipfile.ZipFile(io.BytesIO(content))
    entries = archive.infolist()
    _check_amount(entries, len(content))
    _check_overlap(entries)
    for entry in entries:
        _check_entry(entry)
        if entry.filename.lower().endswith(MARKUP):
            _check_declarations(archive, entry)
    return archive


def read_entry(archive: zipfile.ZipFile, name: str) -> bytes:
    """Raises ``DocumentRefused`` if there is no such entry."""
    try:
        return archive.read(name)
    except KeyError:
        raise DocumentRefused(f"there is no {name} in it") from None


def _check_amount(entries: list[zipfile.ZipInfo], size_bytes: int) -> None:
    if len(entries) > MAX_ENTRIES:
        raise DocumentRefused(f"it has {len(entries)} entries, more than the {MAX_ENTRIES} that are allowed")
    unpacked = sum(entry.file_size for entry in entries)
    if unpacked > MAX_UNPACKED_BYTES:
        raise DocumentRefused(f"unpacked it has {unpacked} bytes, more than the {MAX_UNPACKED_BYTES} that are allowed")
    if unpacked > MAX_RATIO * size_bytes:
        raise DocumentRefused(f"unpacked it is more than {MAX_RATIO} times as large")


def _check_overlap(entries: Iterable[zipfile.ZipInfo]) -> None:
    """Entries that share their bytes are the trick of archives that unpack to more than deflate could pack."""
    for entry, following in pairwise(sorted(entries, key=lambda entry: entry.header_offset)):
        if entry.header_offset + HEADER_BYTES + entry.compress_size > following.header_offset:
            raise DocumentRefused(f"its entries overlap at {following.filename!r:.100}")


def _check_entry(entry: zipfile.ZipInfo) -> None:
    name = entry.filename.replace("\\", "/")
    if name.startswith("/") or name[1:2] == ":" or ".." in name.split("/"):
        raise DocumentRefused(f"it has an entry outside of it, {entry.filename!r:.100}")
    if stat.S_ISLNK(entry.external_attr >> 16):
        raise DocumentRefused(f"its entry {entry.filename!r:.100} is a link")


def _check_declarations(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> None:
    """No document type with declarations of its own: they are what bombs and references to other files are made of."""
    parser = expat.ParserCreate()
    parser.StartDoctypeDeclHandler = _refuse_declarations
    parser.StartElementHandler = _end_check
    with archive.open(entry) as stream:
        try:
            _parse_until_root(parser, stream)
        except (expat.ExpatError, LookupError, ValueError) as error:
            # The last two: in an encoding that this parser does not know.
            raise DocumentRefused(f"its entry {entry.filename!r:.100} is not well-formed XML: {error}") from error


def _parse_until_root(parser: expat.XMLParserType, stream: IO[bytes]) -> None:
    with suppress(_RootReached):
        while part := stream.read(READ_BYTES):
            parser.Parse(part)


class _RootReached(Exception):
    """What follows the first tag cannot declare anything."""


def _end_check(*_: object) -> None:
    raise _RootReached


def _refuse_declarations(_name: str, _system_id: str | None, _public_id: str | None, has_internal_subset: int) -> None:
    if has_internal_subset:
        raise DocumentRefused("it declares XML entities, which are not allowed")
