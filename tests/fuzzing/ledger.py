"""How many requests went where, how they were answered, and what was wrong."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field


@dataclass(slots=True)
class Failure:
    """A fault of one operation, however often it was seen."""

    operation: str
    kind: str
    #: What the first answer said.
    words: str
    #: A command that sends the first request again.
    request: str
    count: int = 1

    def __str__(self) -> str:
        return f"{self.operation}: {self.kind} ({self.count}x)\n    {self.words}\n    {self.request}"


@dataclass(slots=True)
class Ledger:
    #: (operation, class of the status) -> requests.
    answers: Counter[tuple[str, str]] = field(default_factory=Counter)
    #: Operation -> requests that it carried out.
    successes: Counter[str] = field(default_factory=Counter)
    unsendable: int = 0
    _failures: dict[tuple[str, str], Failure] = field(default_factory=dict)

    @property
    def cases(self) -> int:
        """Requests that were sent."""
        return self.answers.total()

    @property
    def failures(self) -> list[Failure]:
        return list(self._failures.values())

    def note(self, operation: str, status: int, *, is_own: bool) -> None:
        """``is_own``: the request has the method of the operation, and is not one that should find nothing at its path."""
        self.answers[operation, f"{status // 100}xx"] += 1
        if is_own and status < 300:
            self.successes[operation] += 1

    def note_break(self, operation: str) -> None:
        self.answers[operation, "broken"] += 1

    def fail(self, operation: str, kind: str, words: str, request: str) -> None:
        known = self._failures.get((operation, kind))
        if known:
            known.count += 1
        else:
            self._failures[operation, kind] = Failure(operation, kind, words, request)

    def operations(self) -> list[str]:
        return list(dict.fromkeys(operation for operation, _ in self.answers))

    def lines(self) -> Iterator[str]:
        """A table of operations and classes of statuses, then the failures."""
        classes = sorted({status for _, status in self.answers})
        yield "  ".join(f"{status:>6}" for status in classes) + "  operation"
        for operation in self.operations():
            yield "  ".join(f"{self.answers[operation, status] or '':>6}" for status in classes) + f"  {operation}"
        totals = [sum(count for (_, of), count in self.answers.items() if of == status) for status in classes]
        yield "  ".join(f"{total:>6}" for total in totals) + f"  of {self.cases} requests; {self.unsendable} could not be sent"
        yield from map(str, self.failures)
        yield f"{len(self.failures)} failures."
