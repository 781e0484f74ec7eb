"""Which faults were injected, whom they hit, and how long it took until those runs went on."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from tests.services.stage import Position, Stage
from worker.store.errors import StorageUnavailable

#: Seconds between two looks at the runs that wait for somebody to go on with them.
LOOK_S = 0.2


@dataclass(slots=True)
class Injection:
    """One fault, once."""

    fault: str
    #: Monotonic seconds.
    at: float
    #: Runs under way in the whole deployment.
    in_flight: int
    #: Where the runs were that the fault hit, by their ids.
    hit: Mapping[str, Position]
    #: Seconds until each of them was further than that.
    recovered_s: dict[str, float] = field(default_factory=dict)

    @property
    def waiting(self) -> set[str]:
        return set(self.hit) - set(self.recovered_s)


class Ledger:
    """Thread-safe. Looks at SQL from a thread of its own until the end of the block."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._lock = threading.Lock()
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="ledger")
        self.injections: list[Injection] = []

    def note(self, fault: str, under_way: Mapping[str, Position], hit: Mapping[str, Position] | None = None) -> Injection:
        """A fault that happens now. ``hit``: those of the runs that it concerns; None: all of them."""
        injection = Injection(fault, time.monotonic(), len(under_way), under_way if hit is None else hit)
        with self._lock:
            self.injections.append(injection)
        return injection

    def look(self) -> None:
        """Note which runs have gone on."""
        with self._lock:
            waiting = [injection for injection in self.injections if injection.waiting]
        if not waiting:
            return
        now, positions = time.monotonic(), self._stage.positions(set().union(*(injection.waiting for injection in waiting)))
        for injection in waiting:
            for run_id in injection.waiting:
                if positions[run_id].is_beyond(injection.hit[run_id]):
                    injection.recovered_s[run_id] = now - injection.at

    def _watch(self) -> None:
        while not self._is_over.wait(LOOK_S):
            try:
                self.look()
            except StorageUnavailable:
                # The database is one of those that are harmed.
                continue

    def __enter__(self) -> Ledger:
        self._thread.start()
        return self

    def __exit__(self, *reason: object) -> None:
        self._is_over.set()
        self._thread.join()


def recoveries_s(injections: Iterable[Injection]) -> list[float]:
    return [seconds for injection in injections for seconds in injection.recovered_s.values()]
