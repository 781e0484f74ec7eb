"""A Markdown text as a list of blocks, from which the writers of other formats make theirs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from markdown_it import MarkdownIt
from markdown_it.token import Token

#: Levels of lists and quotations that are followed; deeper text stays text.
MAX_NESTING = 20


@dataclass(frozen=True, slots=True)
class Run:
    """A stretch of text in one style."""

    text: str
    bold: bool = False
    italic: bool = False
    code: bool = False
    strike: bool = False
    href: str = ""


@dataclass(frozen=True, slots=True)
class Block:
    #: ``heading``, ``paragraph``, ``bullet``, ``number``, ``quote``, ``code``, ``rule`` or ``table``.
    kind: str
    #: Of a heading 1 to 6, of a list item its depth from 1.
    level: int = 0
    runs: tuple[Run, ...] = ()
    #: Number of an item of an ordered list, 1 of other items; 0 of the later paragraphs of an item.
    number: int = 0
    #: Of a table, the header first.
    rows: tuple[tuple[tuple[Run, ...], ...], ...] = ()

    @property
    def text(self) -> str:
        return plain(self.runs)


def plain(runs: Iterable[Run]) -> str:
    return "".join(run.text for run in runs)


def parser() -> MarkdownIt:
    return MarkdownIt("commonmark", {"html": False, "maxNesting": MAX_NESTING}).enable(["table", "strikethrough"])


def blocks_of(markdown: str) -> list[Block]:
    return list(_Reader().read(parser().parse(markdown)))


class _Reader:
    def __init__(self) -> None:
        #: Open lists: the number of the last item of ordered ones, None for bullets.
        self._lists: list[int | None] = []
        self._is_new_item = False
        self._quotes = 0
        self._heading = 0
        self._rows: list[tuple[tuple[Run, ...], ...]] | None = None
        self._cells: list[tuple[Run, ...]] = []

    def read(self, tokens: Sequence[Token]) -> Iterator[Block]:
        for token in tokens:
            block = self._block(token)
            if block is not None:
                yield block

    def _block(self, token: Token) -> Block | None:
        kind = token.type
        if kind == "inline":
            return self._text(runs_of(token.children or ()))
        if kind in ("fence", "code_block"):
            return Block("code", runs=(Run(token.content.rstrip("\n"), code=True),))
        if kind == "hr":
            return Block("rule")
        if kind == "table_close":
            rows, self._rows = tuple(self._rows or ()), None
            return Block("table", rows=rows)
        self._enter_or_leave(kind, token)
        return None

    def _enter_or_leave(self, kind: str, token: Token) -> None:
        if kind == "heading_open":
            self._heading = int(token.tag[1:])
        elif kind == "heading_close":
            self._heading = 0
        elif kind in ("bullet_list_open", "ordered_list_open"):
            self._lists.append(int(token.attrGet("start") or 1) - 1 if kind == "ordered_list_open" else None)
        elif kind in ("bullet_list_close", "ordered_list_close"):
            self._lists.pop()
        elif kind == "list_item_open":
            self._is_new_item = True
            if self._lists[-1] is not None:
                self._lists[-1] += 1
        elif kind in ("blockquote_open", "blockquote_close"):
            self._quotes += 1 if kind == "blockquote_open" else -1
        elif kind == "table_open":
            self._rows = []
        elif kind == "tr_close" and self._rows is not None:
            self._rows.append(tuple(self._cells))
            self._cells = []

    def _text(self, runs: tuple[Run, ...]) -> Block | None:
        if self._rows is not None:
            self._cells.append(runs)
            return None
        if self._heading:
            return Block("heading", self._heading, runs)
        if self._lists:
            return self._item(runs)
        return Block("quote" if self._quotes else "paragraph", runs=runs)

    def _item(self, runs: tuple[Run, ...]) -> Block:
        is_new, self._is_new_item = self._is_new_item, False
        last = self._lists[-1]
        number = 0 if not is_new else 1 if last is None else last
        return Block("bullet" if last is None else "number", len(self._lists), runs, number)


STYLES = frozenset({"strong", "em", "s"})


def styled(run: Run, mark: str, is_on: bool) -> Run:
    if mark == "strong":
        return replace(run, bold=is_on)
    return replace(run, italic=is_on) if mark == "em" else replace(run, strike=is_on)


def runs_of(tokens: Iterable[Token]) -> tuple[Run, ...]:
    style, found = Run(""), []
    for token in tokens:
        name, _, side = token.type.rpartition("_")
        if token.type == "text":
            found.append(replace(style, text=token.content))
        elif token.type == "code_inline":
            found.append(replace(style, text=token.content, code=True))
        elif token.type in ("softbreak", "hardbreak"):
            found.append(replace(style, text="\n" if token.type == "hardbreak" else " "))
        elif token.type == "image":
            found.append(replace(style, text=token.content or str(token.attrGet("src") or ""), href=str(token.attrGet("src") or "")))
        elif name in STYLES:
            style = styled(style, name, side == "open")
        elif name == "link":
            style = replace(style, href=str(token.attrGet("href") or "") if side == "open" else "")
    return tuple(run for run in found if run.text)
