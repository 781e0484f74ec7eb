"""Where runs are executed that have lost a worker: each alone in a process (reliability.md section 1.4).

A run whose nodes kill their process takes every run beside it along. From the second attempt on a run is therefore executed alone: the
guilty one then dies alone, and the innocent ones end well. A process that has outlived a run takes the next one: when many workers are
killed, nearly all runs come here, and a process for each (0.7 s of a processor) would be what they wait for.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Protocol

from worker.dispatcher import Dispatcher

logger = logging.getLogger(__name__)

#: Seconds after which a process that has no run ends.
IDLE_S = 5.0


class Cell(Protocol):
    """A process that executes one run at a time."""

    @property
    def owner(self) -> str:
        """Of the leases of its runs."""

    def execute(self, run_id: str, task_id: str, queue: str | None) -> bool:
        """Execute a run, and wait for that; ``queue`` is its own. False: the process is gone."""

    def drain(self) -> None:
        """Ask it to hand its run over and take no more; from any thread."""

    def close(self) -> int:
        """Let it end, and wait for that: 0, or minus the signal that ended it."""


#: Starts a process. Raises ``OSError``.
StartCell = Callable[[], Cell]


class Quarantine:
    """Executes the runs it is given, ``slots`` at a time. Every method is called from any thread."""

    def __init__(
        self, slots: int, start: StartCell, dispatcher: Dispatcher, on_death: Callable[[str], None], idle_s: float = IDLE_S
    ) -> None:
        """``on_death`` is told the owner whose lease a process left behind when it died."""
        self._slots = slots
        self._start = start
        self._dispatcher = dispatcher
        self._on_death = on_death
        self._idle_s = idle_s
        self._changed = threading.Condition()
        self._is_draining = False
        #: Task id and queue by run id, in order of arrival.
        self._waiting: dict[str, tuple[str, str | None]] = {}
        #: Ids of the runs that are being executed.
        self._executing: set[str] = set()
        self._cells: set[Cell] = set()
        self._lanes = 0
        self._idle_lanes = 0

    def put(self, run_id: str, task_id: str, queue: str | None = None) -> None:
        """Execute a run alone, as soon as there is room: does not wait. One that is here already stays as it is."""
        with self._changed:
            if self._is_draining:
                self._dispatcher.send(run_id, task_id, queue)
            elif run_id not in self._executing:
                self._waiting[run_id] = (task_id, queue)
                self._find_lane()

    def drain(self) -> None:
        """Send what waits to other workers, and ask the processes to hand over their runs."""
        with self._changed:
            self._is_draining = True
            waiting, self._waiting = self._waiting, {}
            cells = list(self._cells)
            self._changed.notify_all()
        for run_id, (task_id, queue) in waiting.items():
            self._dispatcher.send(run_id, task_id, queue)
        for cell in cells:
            cell.drain()

    def wait_empty(self, timeout_s: float) -> bool:
        """True once no process is left."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._lanes, timeout_s)

    def _find_lane(self) -> None:
        if self._idle_lanes < len(self._waiting) and self._lanes < self._slots:
            self._lanes += 1
            threading.Thread(target=self._serve, name=f"quarantine-{self._lanes}", daemon=True).start()
        self._changed.notify()

    def _serve(self) -> None:
        """One lane: processes one after the other, each until it dies or nothing comes for it."""
        try:
            while (cell := self._open_cell()) is not None:
                self._use(cell)
        finally:
            with self._changed:
                self._lanes -= 1
                if self._waiting:
                    self._find_lane()
                self._changed.notify_all()

    def _open_cell(self) -> Cell | None:
        """None: nothing waits, or no process can be started now; what waits is sent again later then."""
        with self._changed:
            if not self._waiting:
                return None
        try:
            cell = self._start()
        except OSError as error:
            with self._changed:
                run_id = self._waiting.popitem()[0] if self._waiting else ""
            logger.error("Run %s cannot be executed alone now; its task is sent again later: %s", run_id, error)
            return None
        with self._changed:
            self._cells.add(cell)
        return cell

    def _use(self, cell: Cell) -> None:
        is_alive = True
        while is_alive and (order := self._next()) is not None:
            run_id, task_id, queue = order
            try:
                is_alive = cell.execute(run_id, task_id, queue)
            finally:
                with self._changed:
                    self._executing.discard(run_id)
        with self._changed:
            self._cells.discard(cell)
        if status := cell.close():
            # One that is told to leave before it is ready has no other way.
            logger.log(logging.INFO if self._is_draining else logging.ERROR, "A process for runs alone ended with status %d.", status)
            self._on_death(cell.owner)

    def _next(self) -> tuple[str, str, str | None] | None:
        """The next run for a process; None: it is not needed any more."""
        with self._changed:
            self._idle_lanes += 1
            self._changed.wait_for(lambda: self._waiting or self._is_draining, self._idle_s)
            self._idle_lanes -= 1
            if not self._waiting:
                return None
            run_id = next(iter(self._waiting))
            self._executing.add(run_id)
            return run_id, *self._waiting.pop(run_id)
