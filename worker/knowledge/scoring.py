"""How near a passage is to a query, from 0 to 1, whatever database found it."""

from __future__ import annotations

import math
from array import array
from collections import Counter
from collections.abc import Sequence
from operator import mul

#: How soon a repeated term stops to add: a passage that has it once gets 77 % of its weight, three times 91 %.
SATURATION = 0.3


def keyword_scores(query: Sequence[str], passages: Sequence[Counter[str]]) -> list[float]:
    """The share of the query's terms that each passage has; rare terms weigh more, as in BM25.

    ``passages`` are the candidates for one query, as counts of their terms: what is rare is what few of them have.
    """
    weights = {term: _weight(sum(term in counts for counts in passages), len(passages)) for term in query}
    whole = sum(weights.values())
    return [_score(weights, counts) / whole if whole else 0.0 for counts in passages]


def _weight(having: int, passages: int) -> float:
    return math.log(1 + (passages - having + 0.5) / (having + 0.5))


def _score(weights: dict[str, float], counts: Counter[str]) -> float:
    return sum(weight * counts[term] / (counts[term] + SATURATION) for term, weight in weights.items())


def pack(vector: Sequence[float]) -> bytes:
    """A vector of length 1 in the same direction, as 32-bit floats in the machine's order, which is little-endian wherever we run."""
    length = math.sqrt(sum(map(mul, vector, vector))) or 1.0
    return array("f", [value / length for value in vector]).tobytes()


def nearness(packed: bytes, other: bytes) -> float:
    """Cosine of the angle between two packed vectors, 0 if they point away from each other or are of different models."""
    left, right = array("f", packed), array("f", other)
    return max(0.0, min(1.0, sum(map(mul, left, right)))) if len(left) == len(right) else 0.0
