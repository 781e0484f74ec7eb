"""What the doctor looks for and what it finds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class Check:
    """One promise, and what to do where it is broken."""

    name: str
    #: What is true of a sound deployment.
    promise: str
    advice: str

    def finding(self, subject: str, text: str) -> Finding:
        return Finding(self.name, subject, text, self.advice)


@dataclass(frozen=True, slots=True)
class Finding:
    """A promise that is broken."""

    #: Name of the check.
    check: str
    #: What it is about: the id of a run or a file, a row, a Redis key.
    subject: str
    text: str
    advice: str

    def __str__(self) -> str:
        return f"{self.check}: {self.subject}: {self.text}"


class Area(Protocol):
    """A kind of thing to examine, in batches that fit in memory however many there are."""

    #: Seconds after which what is on its way has arrived: a suspect is looked at again then.
    settle_s: float

    @property
    def checks(self) -> Sequence[Check]:
        """What it looks for."""

    def batches(self) -> Iterator[Sequence[Any]]:
        """The keys of all things there are."""

    def look(self, keys: Sequence[Any]) -> list[Finding]:
        """What is wrong with these things now; those that are gone are fine."""


@dataclass(frozen=True, slots=True)
class Extent:
    """How much to look at."""

    #: Runs that were accepted at this time (epoch seconds) or later, and files as young.
    since: float | None = None
    #: This run alone.
    run_id: str | None = None
