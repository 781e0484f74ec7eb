"""Cuts the text of a document into chunks that overlap a little, on the borders of paragraphs and sentences where there are some."""

from __future__ import annotations

import re
from collections.abc import Iterator

#: Characters of a chunk: long enough for a thought, short enough to be about one thing.
CHUNK_LENGTH = 500

#: Characters, at most, that a chunk repeats from the end of the one before it.
OVERLAP = 100

PARAGRAPH_END = re.compile(r"(?<=\n)\s*\n+|(?<=\n)")
#: Of Chinese and Japanese sentences, by code: ideographic full stop, fullwidth exclamation mark, question mark and semicolon.
SENTENCE_END = re.compile("(?<=[\u3002\uff01\uff1f\uff1b])|(?<=[.!?;])\\s+")


def chunks_of(text: str) -> list[str]:
    """The chunks in order, without blank ones; each is a stretch of the text, stripped."""
    chunks: list[str] = []
    kept: list[str] = []
    for piece in _pieces(text):
        if kept and _length(kept) + len(piece) > CHUNK_LENGTH:
            chunks.append(_joined(kept))
            kept = _tail(kept, CHUNK_LENGTH - len(piece))
        kept.append(piece)
    return [chunk for chunk in (*chunks, _joined(kept)) if chunk]


def _pieces(text: str) -> Iterator[str]:
    """Paragraphs; sentences of those that are too long; slices of sentences that are."""
    for paragraph in _split(PARAGRAPH_END, text):
        if len(paragraph) <= CHUNK_LENGTH:
            yield paragraph
            continue
        for sentence in _split(SENTENCE_END, paragraph):
            yield from (sentence[start : start + CHUNK_LENGTH] for start in range(0, len(sentence), CHUNK_LENGTH))


def _split(border: re.Pattern[str], text: str) -> Iterator[str]:
    """The text between borders; nothing is lost, since each border is left to the piece before it."""
    start = 0
    for match in border.finditer(text):
        if match.end() > start:
            yield text[start : match.end()]
            start = match.end()
    if start < len(text):
        yield text[start:]


def _tail(pieces: list[str], room: int) -> list[str]:
    """The last pieces that together are no longer than the overlap, and leave the new chunk within its length."""
    length = 0
    for index in range(len(pieces) - 1, -1, -1):
        length += len(pieces[index])
        if length > min(OVERLAP, room):
            return pieces[index + 1 :]
    return list(pieces)


def _length(pieces: list[str]) -> int:
    return sum(map(len, pieces))


def _joined(pieces: list[str]) -> str:
    return "".join(pieces).strip()
