"""Lets runs of batches begin in a worker one by one, and those that somebody waits for at once.

All runs of a process share one interpreter, and with it one processor. A run that begins next to ten others that compute takes ten times
as long; next to a thousand that wait for models it does not notice. Nobody knows beforehand which kind a run is, but its first moments
tell: whatever has not ended then waits for something, or is one of the few that compute for long.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

#: Seconds from its beginning in which a run counts as computing; a cheap run is over by then.
YOUNG_S = 0.05

#: Runs of batches that may be young at a time: beside people, and while nobody has begun a run for ``QUIET_S`` seconds.
BESIDE_PEOPLE = 1
ALONE = 4
QUIET_S = 3.0

#: Beside people, a run of a batch that ends young is followed by a pause so many times as long as it took, in which whoever comes finds the
#: processor idle. Measured with two workers on two processors, cheap runs and ten requests a second (tests/bench/beside_batch.py): the 95th
#: percentile of these was 1.2 to 1.3 times that of an idle system, and 2.0 to 2.4 times without the pause.
REST = 1.0

#: Seconds after which a run of a batch begins in any case: people may come without end.
PATIENCE_S = 1.0


class Gate:
    """Of one process; called from any thread."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._changed = threading.Condition()
        #: When the runs in progress began, by a number of their own.
        self._people: dict[int, float] = {}
        self._batches: dict[int, float] = {}
        self._last = 0
        self._is_open = False
        #: When the last run that somebody waits for began; None: none has.
        self._people_at: float | None = None
        #: Until when no run of a batch begins beside people.
        self._rests_until = 0.0

    @property
    def is_quiet(self) -> bool:
        """Nobody has begun a run that somebody waits for lately."""
        return self._people_at is None or self._monotonic() - self._people_at > QUIET_S

    def passing(self, *, is_batch: bool) -> AbstractContextManager[None]:
        """The time that a run takes, from before its claim on."""
        return self.batch() if is_batch else self.person()

    @contextmanager
    def person(self) -> Iterator[None]:
        """A run that somebody waits for: it waits for nobody."""
        with self._changed:
            self._people_at = self._monotonic()
            number = self._enter(self._people)
        try:
            yield
        finally:
            self._leave(self._people, number)

    @contextmanager
    def batch(self) -> Iterator[None]:
        """A run of a batch: it waits until there is room for it."""
        with self._changed:
            self._await_room()
            number = self._enter(self._batches)
        try:
            yield
        finally:
            self._rest(self._batches[number])
            self._leave(self._batches, number)

    def open(self) -> None:
        """Let everybody pass from now on: the process is leaving, and nothing begins in it any more."""
        with self._changed:
            self._is_open = True
            self._changed.notify_all()

    def _await_room(self) -> None:
        give_up_at = self._monotonic() + PATIENCE_S
        while not self._is_open and (wait_s := self._wait_s()) > 0:
            left_s = give_up_at - self._monotonic()
            if left_s <= 0:
                return
            self._changed.wait(min(wait_s, left_s))

    def _wait_s(self) -> float:
        """Seconds until there is room, if nobody leaves before; 0: there is."""
        now = self._monotonic()
        people, batches = (self._young(runs, now) for runs in (self._people, self._batches))
        is_quiet = self.is_quiet
        most = ALONE if is_quiet else BESIDE_PEOPLE
        if people:
            return people[-1] + YOUNG_S - now
        if len(batches) >= most:
            return batches[-most] + YOUNG_S - now
        return 0.0 if is_quiet else max(self._rests_until - now, 0.0)

    def _young(self, runs: dict[int, float], now: float) -> list[float]:
        """When those that count as computing began, oldest first."""
        return [began for began in runs.values() if now - began < YOUNG_S]

    def _rest(self, began: float) -> None:
        now = self._monotonic()
        if now - began < YOUNG_S:
            self._rests_until = now + REST * (now - began)

    def _enter(self, runs: dict[int, float]) -> int:
        self._last += 1
        runs[self._last] = self._monotonic()
        return self._last

    def _leave(self, runs: dict[int, float], number: int) -> None:
        with self._changed:
            del runs[number]
            self._changed.notify()
