"""Figures of a bench run: what was measured, several times, and the arithmetic on it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import median
from typing import NamedTuple


class Name(NamedTuple):
    """Where a figure stands: a table, a line and a column of it. The words of a line are separated by spaces."""

    case: str
    row: str
    #: With its unit at the end.
    column: str


@dataclass(frozen=True, slots=True)
class Figure:
    #: One for each time it was measured, in that order.
    samples: tuple[float, ...]

    @property
    def value(self) -> float:
        return median(self.samples)

    @property
    def low(self) -> float:
        return min(self.samples)

    @property
    def high(self) -> float:
        return max(self.samples)

    @property
    def spread(self) -> float:
        """Half the range, as a part of the value."""
        return (self.high - self.low) / 2 / abs(self.value) if self.value else 0.0

    def over(self, other: Figure) -> Figure:
        """The ratio. Samples that were taken in turns are compared one by one, so that what slowed the machine then slowed both."""
        if len(self.samples) == len(other.samples):
            return Figure(tuple(map(ratio, self.samples, other.samples)))
        return Figure((ratio(self.value, other.value),))


def ratio(one: float, other: float) -> float:
    return one / other if other else math.nan


def percentile(values: Sequence[float], part: float) -> float:
    """The smallest value that at least ``part`` (0 to 1) of the values do not exceed; not a number if there are none."""
    if not values:
        return math.nan
    return sorted(values)[max(math.ceil(part * len(values)) - 1, 0)]


class Figures:
    """All that one bench run measured."""

    def __init__(self) -> None:
        self._samples: dict[Name, list[float]] = {}

    def add(self, case: str, row: str, column: str, value: float) -> None:
        """One more sample of a figure."""
        self._samples.setdefault(Name(case, row, column), []).append(value)

    def get(self, name: Name) -> Figure | None:
        samples = self._samples.get(name)
        return Figure(tuple(samples)) if samples else None

    def value(self, case: str, row: str, column: str) -> float:
        """Raises ``KeyError`` if it was not measured."""
        return median(self._samples[Name(case, row, column)])

    def __iter__(self) -> Iterator[tuple[Name, Figure]]:
        return ((name, Figure(tuple(samples))) for name, samples in self._samples.items())

    def cases(self) -> list[str]:
        return list(dict.fromkeys(name.case for name in self._samples))

    def rows(self, case: str) -> dict[str, dict[str, Figure]]:
        """Lines of a table, each with its columns, in the order of measurement."""
        rows: dict[str, dict[str, Figure]] = {}
        for name, figure in self:
            if name.case == case:
                rows.setdefault(name.row, {})[name.column] = figure
        return rows
