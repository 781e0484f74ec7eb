"""EPUB books: the lines of all chapters, in reading order."""

from __future__ import annotations

import posixpath
import zipfile
from collections.abc import Iterator
from urllib.parse import unquote

from worker.documents.archive import open_archive, read_entry
from worker.documents.encoding import decoded
from worker.documents.html import page_lines
from worker.documents.reading import DocumentRefused
from worker.documents.xml import parse_xml

CONTAINER = "META-INF/container.xml"


def text(content: bytes) -> str:
    with open_archive(content) as archive:
        return "\n".join(line for name in _chapters(archive) for line in page_lines(decoded(read_entry(archive, name))))


def _chapters(archive: zipfile.ZipFile) -> Iterator[str]:
    """Names of the entries, in reading order."""
    package = _package(archive)
    book = parse_xml(read_entry(archive, package))
    addresses = {item.get("id"): item.get("href", "") for item in book.iter("{*}item")}
    for reference in book.iter("{*}itemref"):
        if reference.get("idref") in addresses:
            yield _within(posixpath.dirname(package), addresses[reference.get("idref")])


def _package(archive: zipfile.ZipFile) -> str:
    """Name of the entry that describes the book."""
    for found in parse_xml(read_entry(archive, CONTAINER)).iter("{*}rootfile"):
        if path := found.get("full-path"):
            return path
    raise DocumentRefused("it names no book")


def _within(folder: str, address: str) -> str:
    return posixpath.normpath(posixpath.join("/", folder, unquote(address.partition("#")[0]))).lstrip("/")
