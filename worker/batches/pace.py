"""How many runs batches may have open at a time: as many as those who wait beside them do not notice.

Congestion control on delay, as TCP Vegas has it (https://www.rfc-editor.org/rfc/rfc6817 is its later kin): runs that compute delay each
other and everybody else, so that there should be a few of them; runs that wait for a model do not, so that there can be as many as the
workers have slots. What tells the two apart is how much later runs of batches are claimed, and how much longer short ones take, than at
best. Pure: the clock is handed in.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from statistics import median

#: Seconds for which the best of a kind is remembered: what the machines can do changes.
MEMORY_S = 60.0

#: Runs that take longer than this at best wait for something, and say nothing about the processors by how long they take.
SHORT_S = 0.5

#: Samples by which the window changes, at least, and seconds after which fewer do.
SAMPLES = 4
ROUND_S = 1.0


#: Seconds of lateness below which the window grows, and above which it shrinks. Some of it is wanted: workers let runs of batches begin
#: one by one (gate.py), and should find the next one there.
LOW_S = 0.050
HIGH_S = 0.150

#: Runs of batches that each worker has in any case.
PER_WORKER = 2


@dataclass(slots=True)
class Best:
    """The least of the numbers of the last ``MEMORY_S`` seconds, or a little more."""

    #: Least of this period and of the one before.
    _now: float = float("inf")
    _before: float = float("inf")
    _since: float = 0.0

    def lateness(self, number: float, at: float) -> float:
        """By how much a new number is above the least one."""
        if at - self._since > MEMORY_S / 2:
            self._before, self._now, self._since = self._now, float("inf"), at
        self._now = min(self._now, number)
        return number - min(self._now, self._before)

    @property
    def value(self) -> float:
        return min(self._now, self._before)


@dataclass(slots=True)
class Pace:
    """The window of a dispatcher."""

    window: float = 0.0
    _claims: Best = field(default_factory=Best)
    #: By batch.
    _works: dict[str, Best] = field(default_factory=dict)
    _late: deque[float] = field(default_factory=lambda: deque(maxlen=200))
    #: Monotonic seconds at which the round began, and whether the window was used up in it.
    _round_at: float = 0.0
    _is_used: bool = False
    #: The window doubles until it has been too large once.
    _is_starting: bool = True

    def claimed(self, delay_s: float, at: float) -> None:
        """A run was claimed so long after it was stored."""
        self._late.append(self._claims.lateness(delay_s, at))

    def ended(self, batch_id: str, elapsed_s: float, at: float) -> None:
        """A run of a batch took so long once it was claimed."""
        best = self._works.setdefault(batch_id, Best())
        lateness = best.lateness(elapsed_s, at)
        if best.value < SHORT_S:
            self._late.append(lateness)

    def review(self, at: float, in_flight: int, workers: int, slots: int, unclaimed: int = 0) -> int:
        """The window from now on, if so many runs were in flight until now, some of which no worker has taken yet.

        ``slots``: runs that the ``workers`` may execute at a time.
        """
        floor, ceiling = float(PER_WORKER * max(workers, 1)), float(ceiling_of(workers, slots))
        if not self.window:
            self.window, self._round_at = floor, at
        self._is_used = self._is_used or in_flight >= int(self.window)
        self._change(at, unclaimed)
        self.window = max(min(self.window, ceiling), min(floor, ceiling))
        return int(self.window)

    def _change(self, at: float, unclaimed: int) -> None:
        is_over = at - self._round_at > ROUND_S
        if len(self._late) < max(SAMPLES, self.window / 2) and not is_over:
            return
        if not self._late and unclaimed:
            return
        # Where all are claimed and nothing has ended, they wait for something: there is no other way to learn whether there may be more.
        lateness = median(self._late) if self._late else 0.0
        if lateness > HIGH_S:
            self.window *= 0.75
            self._is_starting = False
        elif lateness < LOW_S and self._is_used:
            self.window += self.window if self._is_starting and self._late else max(1.0, self.window / 8)
        self._late.clear()
        self._round_at, self._is_used = at, False

    def forget(self, batches: Mapping[str, object]) -> None:
        """Keep only what is known of these batches."""
        self._works = {batch_id: best for batch_id, best in self._works.items() if batch_id in batches}


def ceiling_of(workers: int, slots: int) -> int:
    """Runs that batches may have open: all slots but an eighth, and one of each worker at least, which are for people."""
    return max(slots - max(slots // 8, workers), 1)
