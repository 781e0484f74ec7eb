"""The runs that this process executes right now, and how they are reached from its other threads."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import dataclass

from worker.engine.inbox import Inbox


@dataclass(slots=True, eq=False)
class ActiveRun:
    """One claim in force, as far as this process knows."""

    run_id: str
    attempt: int
    inbox: Inbox
    #: Monotonic seconds, from before the statement that took or renewed the lease: it lasts at least from there.
    leased_at: float
    #: Its engine is done, and its end, pause or return is being written: what refuses that of a lost run is the statement itself.
    is_ending: bool = False
    #: Its engine is done, and only speech is left to tell: no lease to keep, and ``inbox`` ends the speech.
    is_speaking: bool = False


class ActiveRuns:
    """Thread-safe."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._runs: dict[str, ActiveRun] = {}

    def add(self, run: ActiveRun) -> None:
        """An earlier attempt that is still winding down here is fenced: this claim proves that it lost the run."""
        with self._changed:
            earlier = self._runs.get(run.run_id)
            self._runs[run.run_id] = run
        if earlier is not None:
            earlier.inbox.fence()

    def remove(self, run: ActiveRun) -> None:
        with self._changed:
            if self._runs.get(run.run_id) is run:
                del self._runs[run.run_id]
            self._changed.notify_all()

    def __len__(self) -> int:
        return len(self._runs)

    def claims(self) -> list[tuple[str, int]]:
        """Run id and attempt of every claim in force."""
        return [(run.run_id, run.attempt) for run in self._all() if not run.is_speaking]

    def renewed(self, claims: Iterable[tuple[str, int]], at: float) -> None:
        """The leases of ``claims`` were renewed by a statement sent at ``at`` (monotonic seconds)."""
        renewed = set(claims)
        for run in self._all():
            if (run.run_id, run.attempt) in renewed:
                run.leased_at = at

    def stop(self, run_id: str) -> None:
        """End a run as stopped; does nothing if it is not executed here."""
        run = self._runs.get(run_id)
        if run is not None:
            run.inbox.stop()

    def fence(self, claims: Iterable[tuple[str, int]]) -> list[tuple[str, int]]:
        """End executions that own their runs no longer, without a word; answers which of them there still were."""
        lost = set(claims)
        fenced = [run for run in self._all() if (run.run_id, run.attempt) in lost and not (run.is_ending or run.is_speaking)]
        for run in fenced:
            run.inbox.fence()
        return [(run.run_id, run.attempt) for run in fenced]

    def leased_before(self, moment: float) -> list[tuple[str, int]]:
        """Claims whose lease was last renewed before ``moment`` (monotonic seconds)."""
        return [(run.run_id, run.attempt) for run in self._all() if run.leased_at < moment and not run.is_speaking]

    def drain(self, grace_s: float) -> None:
        """Hand every run over; nodes in flight get ``grace_s`` seconds. Speech of runs that have ended is cut off."""
        for run in self._all():
            if run.is_speaking:
                run.inbox.stop()
            else:
                run.inbox.drain(grace_s)

    def wait_empty(self, timeout_s: float) -> bool:
        """True once no run is executed here any more."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._runs, timeout_s)

    def _all(self) -> list[ActiveRun]:
        with self._changed:
            return list(self._runs.values())
