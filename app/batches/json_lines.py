"""JSONL: an item a line, ``{"custom_id": "a", "inputs": {...}}``, or with the inputs inside of ``body`` as in OpenAI's batches."""

from __future__ import annotations

from collections.abc import Iterator

from app.batches.encodings import BROKEN, Encoding, TextFile
from app.batches.lines import Line
from app.batches.rows import Row, json_row


def json_lines(file: TextFile, line_limit: int) -> Iterator[Row]:
    """Items in order; empty lines are none. ``line_limit`` is the one of the file, in bytes."""
    for line in file.lines():
        if line.data is None:
            yield Row(line.number, error=f"The line is longer than {line_limit} bytes.")
        elif line.data.strip(b"\0\r\n\t "):
            yield _row(line, line.data, file.encoding)


def _row(line: Line, data: bytes, encoding: Encoding) -> Row:
    is_plain = encoding.of_lines == "utf-8" and not encoding.is_guess
    row = json_row(line.number, data) if is_plain else None
    if row is not None and row.error is None:
        return row
    text = encoding.decode(data)
    if BROKEN in text:
        return Row(line.number, error=encoding.complaint)
    return row or json_row(line.number, text)
