"""What the cases of one bench run have in common."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from tests.bench.bed import POSTGRESQL
from tests.bench.figures import Figures

T = TypeVar("T")


@dataclass(frozen=True)
class Context:
    databases: Sequence[str]
    #: Everything smaller and once: to see that it works, and whether something is far off.
    is_quick: bool
    say: Callable[[str], None]
    figures: Figures = field(default_factory=Figures)

    @property
    def database(self) -> str:
        """For cases in which the database plays a small part: the one of production, if it takes part."""
        return POSTGRESQL if POSTGRESQL in self.databases else self.databases[0]

    def pick(self, usual: T, quick: T) -> T:
        return quick if self.is_quick else usual
