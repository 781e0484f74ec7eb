"""Embeddings by hashed words: texts that share words are near each other."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

from app.dev_model.tokens import stable_hash

SIZE = 256

WORD = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]|[^\W\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]+")


def vector_of(text: str, size: int = SIZE) -> list[float]:
    """A vector of length 1, the same for the same text in every process."""
    sums = [0.0] * size
    for word in WORD.findall(text.lower()):
        # The beginning of a word counts besides, since trees are near a tree.
        for piece in (word, word[:4]):
            number = stable_hash(piece)
            sums[number % size] += 1.0 if number >> 63 else -1.0
    length = math.sqrt(sum(value * value for value in sums))
    return [value / length for value in sums] if length else [1.0, *sums[1:]]


def likeness(text: str, other: str) -> float:
    """Cosine of the two vectors, not below 0."""
    return max(0.0, _dot(vector_of(text, 1024), vector_of(other, 1024)))


def _dot(left: Sequence[float], right: Sequence[float]) -> float:
    return sum(a * b for a, b in zip(left, right, strict=True))
