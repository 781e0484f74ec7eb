"""PowerPoint presentations: a line for each paragraph and each row of a table, slide by slide, the notes of a slide behind it."""

from __future__ import annotations

import posixpath
import zipfile
from collections.abc import Iterator
from typing import NamedTuple

from lxml import etree

from worker.documents.archive import open_archive, read_entry
from worker.documents.reading import DocumentRefused
from worker.documents.xml import local_name, parse_xml

MAIN, NOTES = "officeDocument", "notesSlide"

#: Placeholders of what is the same on every slide: dates, headers and footers, numbers.
FURNITURE = frozenset(("dt", "hdr", "ftr", "sldNum"))

#: Around paragraphs that are no lines: their row is one; older programs' substitute for a shape repeats its text.
NOT_BY_THEMSELVES = frozenset(("tc", "Fallback"))


class Relation(NamedTuple):
    id: str
    #: The last part of its address: ``slide``, ``notesSlide`` ...
    kind: str
    #: Name of an entry.
    target: str


def text(content: bytes) -> str:
    with open_archive(content) as archive:
        return "\n".join(line for slide in _slides(archive) for line in _slide_lines(archive, slide))


def _slides(archive: zipfile.ZipFile) -> Iterator[str]:
    """Names of the entries, in the order in which they are shown."""
    name = next((found.target for found in _relations(archive, "") if found.kind == MAIN), "")
    presentation = parse_xml(read_entry(archive, name)) if name else None
    if presentation is None or local_name(presentation.tag) != "presentation":
        raise DocumentRefused("it is no presentation")
    targets = {found.id: found.target for found in _relations(archive, name)}
    for slide in presentation.iter("{*}sldId"):
        yield from (targets[value] for name, value in slide.items() if local_name(name) == "id" and value in targets)


def _relations(archive: zipfile.ZipFile, part: str) -> list[Relation]:
    """What an entry, or with an empty name the archive, refers to inside of the archive."""
    folder, name = posixpath.split(part)
    entry = posixpath.join(folder, "_rels", f"{name}.rels")
    if entry not in archive.namelist():
        return []
    return [
        Relation(item.get("Id", ""), posixpath.basename(item.get("Type", "")), _within(folder, item.get("Target", "")))
        for item in parse_xml(archive.read(entry)).iter("{*}Relationship")
        if item.get("TargetMode") != "External"
    ]


def _within(folder: str, target: str) -> str:
    return posixpath.normpath(posixpath.join("/", folder, target)).lstrip("/")


def _slide_lines(archive: zipfile.ZipFile, slide: str) -> Iterator[str]:
    notes = [found.target for found in _relations(archive, slide) if found.kind == NOTES]
    for name in (slide, *notes):
        yield from _lines(parse_xml(read_entry(archive, name)))


def _lines(root: etree._Element) -> Iterator[str]:
    for block in root.iter("{*}p", "{*}tr"):
        if _is_line(block):
            line = _row(block) if local_name(block.tag) == "tr" else _paragraph(block)
            if line.strip():
                yield line


def _is_line(block: etree._Element) -> bool:
    return not any(
        local_name(around.tag) in NOT_BY_THEMSELVES or (local_name(around.tag) == "sp" and _is_furniture(around))
        for around in block.iterancestors()
    )


def _is_furniture(shape: etree._Element) -> bool:
    placeholder = shape.find("{*}nvSpPr/{*}nvPr/{*}ph")
    return placeholder is not None and placeholder.get("type") in FURNITURE


def _row(row: etree._Element) -> str:
    return "\t".join(" ".join(_paragraph(item) for item in cell.iter("{*}p")) for cell in row.iter("{*}tc"))


def _paragraph(paragraph: etree._Element) -> str:
    return "".join("\n" if local_name(item.tag) == "br" else item.text or "" for item in paragraph.iter("{*}t", "{*}br"))
