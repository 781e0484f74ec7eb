"""Lines of a file, none of which can fill the memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

PIECE_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class Line:
    #: Counted from 1.
    number: int
    #: With its line break; None: it is longer than lines may be.
    data: bytes | None


def bounded_lines(stream: BinaryIO, limit: int) -> Iterator[Line]:
    """Lines of at most ``limit`` bytes with their line breaks; of longer ones only their numbers."""
    number = 0
    while data := stream.readline(limit + 1):
        number += 1
        if len(data) <= limit:
            yield Line(number, data)
        else:
            if not data.endswith(b"\n"):
                skip_line(stream)
            yield Line(number, None)


def skip_line(stream: BinaryIO) -> bytes:
    """Read to the end of a line, a piece at a time; answers the last piece."""
    piece = b""
    while data := stream.readline(PIECE_BYTES):
        piece = data
        if data.endswith(b"\n"):
            break
    return piece
