"""A request ``{"items": [...], ...}`` whose items are looked at one by one: as values together they would take ten times the room."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import orjson

from app.batches.rows import Row, json_row
from app.errors import APIError, invalid_param

ITEMS = "items"

BLANKS = re.compile(r"[ \t\n\r]*")

#: Finds where a value ends; what it is says the stricter parser that runs have.
SCANNER = json.JSONDecoder()


class ItemsBody:
    """The body of a request. Raises ``APIError`` when made of what is no JSON object with UTF-8 text."""

    def __init__(self, body: bytes) -> None:
        try:
            self._text = body.decode()
            self.options, self._start = self._read()
        except (ValueError, IndexError, RecursionError) as error:
            raise APIError("bad_request") from error

    @property
    def has_items(self) -> bool:
        return self._start is not None

    def rows(self) -> Iterator[Row]:
        for number, text in enumerate(self.texts(), 1):
            yield json_row(number, text)

    def texts(self) -> Iterator[str]:
        """The items as they are written."""
        for start, end in self._spans(self._start) if self._start is not None else ():
            yield self._text[start:end]

    def _read(self) -> tuple[dict[str, Any], int | None]:
        """Every member but the items, and where these begin. Raises ``ValueError``, ``IndexError`` or ``RecursionError``."""
        options: dict[str, Any] = {}
        items: int | None = None
        at = self._inside()
        while self._text[at] != "}":
            name, start = self._name(at)
            if name == ITEMS and self._text[start] == "[":
                items, end = start, self._end_of_items(start)
            else:
                end = self._end(start)
                options[name] = orjson.loads(self._text[start:end])
            at = self._after_member(end, "}")
        if self._skip(at + 1) != len(self._text):
            raise ValueError("something follows the object")
        return options, items

    def _inside(self) -> int:
        """Where the first member begins. Raises ``APIError`` if the body is another kind of JSON value."""
        at = self._skip(0)
        if self._text[at] != "{":
            orjson.loads(self._text)
            raise invalid_param("The request body must be a JSON object.")
        return self._skip(at + 1)

    def _name(self, at: int) -> tuple[str, int]:
        end = self._end(at)
        name = orjson.loads(self._text[at:end])
        at = self._skip(end)
        if not isinstance(name, str) or self._text[at] != ":":
            raise ValueError("no name")
        return name, self._skip(at + 1)

    def _end_of_items(self, at: int) -> int:
        """Raises ``ValueError`` or ``IndexError`` for what is no array."""
        return self._skip(max((end for _, end in self._spans(at)), default=at + 1)) + 1

    def _spans(self, at: int) -> Iterator[tuple[int, int]]:
        """Where each item of the array at ``at`` begins and ends."""
        at = self._skip(at + 1)
        while self._text[at] != "]":
            end = self._end(at)
            yield at, end
            at = self._after_member(end, "]")

    def _after_member(self, at: int, closing: str) -> int:
        """Where the next member begins, or the closing bracket stands."""
        at = self._skip(at)
        if self._text[at] == ",":
            at = self._skip(at + 1)
            if self._text[at] != closing:
                return at
        elif self._text[at] == closing:
            return at
        raise ValueError("no comma")

    def _skip(self, at: int) -> int:
        found = BLANKS.match(self._text, at)
        assert found is not None, "it matches nothing too"
        return found.end()

    def _end(self, at: int) -> int:
        return SCANNER.raw_decode(self._text, at)[1]
