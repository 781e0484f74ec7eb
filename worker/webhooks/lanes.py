"""Who may be sent to at a time, so that a receiver that hangs holds up nobody but itself."""

from __future__ import annotations

import threading
from collections import Counter

#: Messages that one worker has under way: to all receivers, to one, and to one whose last answer was none or a failure.
SENDERS = 32
PER_LANE = 4
PER_AILING_LANE = 1

#: And to all ailing receivers together: the rest of the senders are for those who answer.
AILING = SENDERS // 2

#: Ailing lanes that are remembered. Runs may name any number of addresses; who is forgotten is found ailing again.
MEMORY = 10_000


class Lanes:
    """Counts the messages under way, by lane; called from any thread."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._under_way: Counter[str] = Counter()
        self._ailing: set[str] = set()

    def room(self, lane: str) -> int:
        """How many more messages may be sent in a lane now."""
        with self._changed:
            free = SENDERS - self._under_way.total()
            if lane not in self._ailing:
                return max(min(PER_LANE - self._under_way[lane], free), 0)
            ailing = sum(count for name, count in self._under_way.items() if name in self._ailing)
            return max(min(PER_AILING_LANE - self._under_way[lane], AILING - ailing, free), 0)

    def enter(self, lane: str) -> None:
        with self._changed:
            self._under_way[lane] += 1

    def leave(self, lane: str, *, is_well: bool) -> None:
        """A message is not under way any more; ``is_well``: the receiver took it."""
        with self._changed:
            self._under_way[lane] -= 1
            # Drops the lanes in which nothing is under way.
            self._under_way += Counter()
            self._note_health(lane, is_well)
            self._changed.notify_all()

    def wait_empty(self, timeout_s: float) -> bool:
        """Wait until nothing is under way; False if that takes longer."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._under_way, timeout_s)

    def _note_health(self, lane: str, is_well: bool) -> None:
        if is_well:
            self._ailing.discard(lane)
            return
        if len(self._ailing) >= MEMORY:
            self._ailing.clear()
        self._ailing.add(lane)
