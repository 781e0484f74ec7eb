"""Where runs are executed that have lost a worker: apart from all others, and in the end alone (reliability.md section 1.4).

A run whose nodes kill their process takes every run beside it along. One that has lost a worker and could afford to lose another is
therefore executed in a process that it shares with its like; whatever is lost there is alone at its next attempt. The guilty one then dies
alone, and the innocent ones end well. All of them alone at once would be safer for those beside a guilty run, but most workers die for
other reasons: a hundred runs that wait for models would need a hundred processes of 50 MB, or wait for each other.

A process that has outlived a run takes the next one: when many workers are killed, nearly all runs come here.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from worker.dispatcher import Dispatcher

logger = logging.getLogger(__name__)

#: Seconds after which a process that has no run ends.
IDLE_S = 5.0


@dataclass(frozen=True, slots=True)
class Suspect:
    """A run to be executed here."""

    run_id: str
    task_id: str
    #: The one its message came from.
    queue: str | None = None
    #: With its like; else it is alone.
    shares: bool = False


class Cell(Protocol):
    """A process that executes runs."""

    @property
    def owner(self) -> str:
        """Of the leases of its runs."""

    def execute(self, suspect: Suspect) -> bool:
        """Execute a run, and wait for that; from any number of threads at a time. False: the process is gone."""

    def drain(self) -> None:
        """Ask it to hand its runs over and take no more; from any thread."""

    def close(self) -> int:
        """Let it end, and wait for that: 0, or minus the signal that ended it."""


#: Starts a process. Raises ``OSError``.
StartCell = Callable[[], Cell]


class Ward:
    """Room for one process, and for so many runs in it at a time; each seat that is taken has a thread."""

    def __init__(self, seats: int, *, is_shared: bool = False) -> None:
        self._is_shared = is_shared
        self._seats = seats
        self._taken = 0
        #: Seats taken whose thread waits for a run.
        self.idle = 0
        self.cell: Cell | None = None
        #: Held while the process is started.
        self.opening = threading.Lock()

    @property
    def has_room(self) -> bool:
        return self._taken < self._seats

    def take_seat(self) -> None:
        self._taken += 1

    def give_up_seat(self) -> Cell | None:
        """The process, if nobody needs it any more."""
        self._taken -= 1
        return None if self._taken else self.take_cell()

    def take_cell(self) -> Cell | None:
        """For whoever closes it: there is none here from now on."""
        cell, self.cell = self.cell, None
        return cell

    def suits(self, suspect: Suspect) -> bool:
        return suspect.shares == self._is_shared


class Quarantine:
    """Executes the runs it is given. Every method is called from any thread."""

    def __init__(
        self,
        slots: int,
        start: StartCell,
        dispatcher: Dispatcher,
        on_death: Callable[[str], None],
        *,
        shared_seats: int,
        idle_s: float = IDLE_S,
    ) -> None:
        """``slots`` runs at a time are executed alone, and ``shared_seats`` together.

        ``on_death`` is told the owner whose leases a process left behind when it died.
        """
        self._start = start
        self._dispatcher = dispatcher
        self._on_death = on_death
        self._idle_s = idle_s
        self._changed = threading.Condition()
        self._is_draining = False
        #: By run id, in order of arrival.
        self._waiting: dict[str, Suspect] = {}
        #: Ids of the runs that are being executed.
        self._executing: set[str] = set()
        self._alone = [Ward(1) for _ in range(slots)]
        self._shared = Ward(shared_seats, is_shared=True)
        self._threads = 0

    def put(self, suspect: Suspect) -> None:
        """Execute a run as soon as there is room: does not wait. One that is here already stays as it is."""
        with self._changed:
            if self._is_draining:
                self._send(suspect)
            elif suspect.run_id not in self._executing:
                self._waiting[suspect.run_id] = suspect
                self._seat()

    def drain(self) -> None:
        """Send what waits to other workers, and ask the processes to hand over their runs."""
        with self._changed:
            self._is_draining = True
            waiting, self._waiting = self._waiting, {}
            cells = [ward.cell for ward in (*self._alone, self._shared) if ward.cell is not None]
            self._changed.notify_all()
        for suspect in waiting.values():
            self._send(suspect)
        for cell in cells:
            cell.drain()

    def wait_empty(self, timeout_s: float) -> bool:
        """True once no process is left."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._threads, timeout_s)

    def _send(self, suspect: Suspect) -> None:
        self._dispatcher.send(suspect.run_id, suspect.task_id, suspect.queue)

    def _seat(self) -> None:
        """See to it that whatever waits is taken, as far as there is room."""
        for wards in (self._alone, [self._shared]):
            unseated = sum(map(wards[0].suits, self._waiting.values())) - sum(ward.idle for ward in wards)
            if unseated > 0 and (ward := next((ward for ward in wards if ward.has_room), None)) is not None:
                ward.take_seat()
                self._threads += 1
                threading.Thread(target=self._serve, args=(ward,), name=f"quarantine-{self._threads}", daemon=True).start()
        self._changed.notify_all()

    def _first_for(self, ward: Ward) -> Suspect | None:
        return next((suspect for suspect in self._waiting.values() if ward.suits(suspect)), None)

    def _serve(self, ward: Ward) -> None:
        """One seat: run after run, until nothing comes for it."""
        try:
            while (suspect := self._next(ward)) is not None:
                is_over = False
                try:
                    is_over = self._execute(ward, suspect)
                finally:
                    with self._changed:
                        self._executing.discard(suspect.run_id)
                if not is_over:
                    # It may never have come to a process. If it has, it waits for its next attempt, and this message finds nothing to do.
                    self._send(suspect)
        finally:
            self._leave(ward)

    def _next(self, ward: Ward) -> Suspect | None:
        """The next run for a seat; None: it is not needed any more."""
        with self._changed:
            ward.idle += 1
            self._changed.wait_for(lambda: self._first_for(ward) or self._is_draining, self._idle_s)
            ward.idle -= 1
            if suspect := self._first_for(ward):
                del self._waiting[suspect.run_id]
                self._executing.add(suspect.run_id)
            return suspect

    def _execute(self, ward: Ward, suspect: Suspect) -> bool:
        """False: a message is to be sent again."""
        try:
            cell = self._open(ward)
        except OSError as error:
            # The sweeper sends it, some time from now: at once it would fail again.
            logger.error("Run %s cannot be executed in quarantine now; its task is sent again later: %s", suspect.run_id, error)
            return True
        if cell is None:
            return False
        if not cell.execute(suspect):
            self._bury(ward, cell)
            return False
        return True

    def _open(self, ward: Ward) -> Cell | None:
        """The process of a ward, started if there is none. None: this worker is leaving. Raises ``OSError``."""
        with ward.opening:
            if (cell := ward.cell) is not None:
                return cell
            cell = self._start()
            with self._changed:
                if not self._is_draining:
                    ward.cell = cell
                    return cell
        self._close(cell)
        return None

    def _bury(self, ward: Ward, cell: Cell) -> None:
        with self._changed:
            if ward.cell is not cell:
                # Another seat does it.
                return
            ward.take_cell()
        self._close(cell)

    def _leave(self, ward: Ward) -> None:
        with self._changed:
            cell = ward.give_up_seat()
            if self._waiting:
                self._seat()
        try:
            if cell is not None:
                self._close(cell)
        finally:
            with self._changed:
                self._threads -= 1
                self._changed.notify_all()

    def _close(self, cell: Cell) -> None:
        if status := cell.close():
            # One that is told to leave before it is ready has no other way.
            logger.log(logging.INFO if self._is_draining else logging.ERROR, "A process of the quarantine ended with status %d.", status)
            self._on_death(cell.owner)
