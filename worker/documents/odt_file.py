"""OpenDocument texts: a line for each heading, paragraph and row of a table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from worker.documents.archive import open_archive, read_entry
from worker.documents.lines import Lines
from worker.documents.xml import feed_xml, local_name

CELLS = frozenset(("table-cell", "covered-table-cell"))

#: Most blanks that one element stands for; more are somebody's attempt to make text out of nothing.
MAX_BLANKS = 1000


class TextLines(Lines):
    blocks = frozenset(("h", "p", "table-row"))
    hidden = frozenset(("tracked-changes", "annotation", "forms", "scripts", "font-face-decls", "automatic-styles"))
    marks: ClassVar[Mapping[str, str]] = {"tab": "\t", "line-break": "\n"}

    def __init__(self) -> None:
        super().__init__()
        self._cell_depth = 0

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        name = local_name(tag)
        if name in CELLS:
            self._cell_depth += 1
        elif name == "s":
            self.data(" " * min(_count(attributes), MAX_BLANKS))
        super().start(tag, attributes)

    def end(self, tag: str) -> None:
        super().end(tag)
        if local_name(tag) in CELLS:
            self._cell_depth -= 1
            self.data("\t")

    def end_line(self) -> None:
        """Inside of a table's cell a paragraph ends no line: its row does."""
        if not self._cell_depth:
            super().end_line()
        elif self._parts and self._parts[-1] != " ":
            self.data(" ")

    def joined(self, text: str) -> str:
        """Without the blanks that the ends of paragraphs left in cells."""
        return "\t".join(cell.strip() for cell in text.split("\t")).strip()


def _count(attributes: Mapping[str, str]) -> int:
    text = next((value for name, value in attributes.items() if local_name(name) == "c"), "1")
    return int(text) if text.isdecimal() else 1


def text(content: bytes) -> str:
    with open_archive(content) as archive:
        return "\n".join(feed_xml(read_entry(archive, "content.xml"), TextLines()))
