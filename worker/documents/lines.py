"""Collects the text of nested elements line by line: a target for lxml's parsers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from worker.documents.xml import local_name


class Lines:
    """One line for each block of text; formats say in subclasses which elements begin and end one."""

    #: Elements that stand on lines of their own.
    blocks: ClassVar[frozenset[str]] = frozenset()
    #: Elements whose text is not for readers.
    hidden: ClassVar[frozenset[str]] = frozenset()
    #: What the beginning of an element stands for.
    marks: ClassVar[Mapping[str, str]] = {}

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._parts: list[str] = []
        self._hidden_depth = 0

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        name = local_name(tag)
        if name in self.hidden:
            self._hidden_depth += 1
        elif name in self.blocks:
            self.end_line()
        elif name in self.marks:
            self.data(self.marks[name])

    def end(self, tag: str) -> None:
        name = local_name(tag)
        if name in self.hidden:
            self._hidden_depth -= 1
        elif name in self.blocks:
            self.end_line()

    def data(self, text: str) -> None:
        if not self._hidden_depth:
            self._parts.append(text)

    def close(self) -> list[str]:
        self.end_line()
        return self._lines

    def end_line(self) -> None:
        line = self.joined("".join(self._parts))
        self._parts.clear()
        if line:
            self._lines.append(line)

    def joined(self, text: str) -> str:
        """A line of text as it is shown; an empty one is left out."""
        return text.strip()


def prose_lines(text: str) -> list[str]:
    """The lines of a plain text that have something on them."""
    return [line.strip() for line in text.splitlines() if line.strip()]
