"""Rows of CSV, over any number of lines each, none of which can fill the memory: what the standard library's reader does not bound."""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from app.batches.encodings import BROKEN, Encoding

PIECE_BYTES = 64 * 1024


class OpenQuote(Exception):
    """A quotation mark is never closed, so that nobody can tell which of the rest are rows. ``line``: where its row begins."""

    def __init__(self, line: int) -> None:
        self.line = line
        super().__init__(
            f"The row that begins in line {line} has a quotation mark that is not closed: everything after it would be part of that row."
        )


class RowTooLong(Exception):
    """A row has more bytes than rows may have; it has been passed over."""


@dataclass(frozen=True, slots=True)
class Record:
    #: Where it begins, counted from 1.
    line: int
    cells: list[str]
    #: What is wrong with it, as a sentence for people.
    error: str | None = None


class RecordLines:
    """The lines of a file for ``csv.reader``, which asks for one after the other until a row is complete."""

    def __init__(self, stream: BinaryIO, encoding: Encoding, limit: int) -> None:
        self._stream = stream
        self.encoding = encoding
        self._limit = limit
        #: Lines read so far.
        self.number = 0
        #: Of the row that is being read: its first line, its bytes and its quotation marks.
        self.first = 1
        self._size = 0
        self._quotes = 0

    def begin(self) -> None:
        """The next line is the first one of a row."""
        self.first, self._size, self._quotes = self.number + 1, 0, 0

    def __iter__(self) -> RecordLines:
        return self

    def __next__(self) -> str:
        data = self._stream.readline(self._limit - self._size + 1)
        if not data:
            raise StopIteration
        self._take(data)
        if self._size > self._limit:
            self._pass_over(data)
            raise RowTooLong
        return self.encoding.decode(data)

    def _take(self, data: bytes) -> None:
        self._size += len(data)
        self._quotes += data.count(b'"')
        # The last line may have no line break. One that is too long is counted where it ends.
        self.number += data.endswith(b"\n") or self._size <= self._limit

    def _pass_over(self, data: bytes) -> None:
        """Read to the end of the row: the line break that no quotation mark holds. Raises ``OpenQuote``."""
        while not (data.endswith(b"\n") and self._quotes % 2 == 0):
            data = self._stream.readline(PIECE_BYTES)
            if not data:
                if self._quotes % 2:
                    raise OpenQuote(self.first)
                return
            self._quotes += data.count(b'"')
            self.number += data.endswith(b"\n")


def records(lines: RecordLines, delimiter: str, limit: int) -> Iterator[Record]:
    """Every row that has a cell with something in it. Raises ``OpenQuote``."""
    # The module's own limit for all readers of a process, 128 KiB a cell, is no use: the lines are bounded.
    csv.field_size_limit(sys.maxsize)
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    while (record := _next(reader, lines, limit)) is not None:
        if record.error is not None or any(record.cells):
            yield record


def _next(reader: Iterator[list[str]], lines: RecordLines, limit: int) -> Record | None:
    lines.begin()
    try:
        cells = next(reader)
    except StopIteration:
        return None
    except RowTooLong:
        return Record(lines.first, [], f"The row is longer than {limit} bytes.")
    except csv.Error as error:
        if "unexpected end" in str(error):
            raise OpenQuote(lines.first) from error
        return Record(lines.first, [], f"The row, {_span(lines)}, is not CSV: {error}.")
    broken = any(BROKEN in cell for cell in cells)
    return Record(lines.first, cells, lines.encoding.complaint if broken else None)


def _span(lines: RecordLines) -> str:
    return f"line {lines.first}" if lines.number == lines.first else f"lines {lines.first} to {lines.number}"
