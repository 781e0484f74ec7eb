"""Where runs are executed that have lost a worker: each in a process of its own (reliability.md section 1.4).

A run whose nodes kill their process takes every run beside it along. From the second attempt on a run is therefore executed alone: the
guilty one then dies alone, and the innocent ones end well.
"""

from __future__ import annotations

import logging
import threading
import uuid
from collections.abc import Callable
from typing import Protocol

from worker.dispatcher import Dispatcher

logger = logging.getLogger(__name__)


class Cell(Protocol):
    """A process that executes one run."""

    def wait(self) -> int:
        """Its exit status: 0, or minus the signal that ended it."""

    def drain(self) -> None:
        """Ask it to hand its run over and end."""


#: Starts a process for the run ``(run id, task id)``, which holds its lease as ``owner``. Raises ``OSError``.
StartCell = Callable[[str, str, str], Cell]


class Quarantine:
    """Executes the runs it is given, ``slots`` at a time. Every method is called from any thread."""

    def __init__(self, slots: int, start: StartCell, dispatcher: Dispatcher, on_death: Callable[[str], None]) -> None:
        """``on_death`` is told the owner whose lease a process left behind when it died."""
        self._slots = slots
        self._start = start
        self._dispatcher = dispatcher
        self._on_death = on_death
        self._changed = threading.Condition()
        self._is_draining = False
        #: Task ids by run id, in order of arrival.
        self._waiting: dict[str, str] = {}
        #: By run id; None while the process is being started.
        self._cells: dict[str, Cell | None] = {}

    def put(self, run_id: str, task_id: str) -> None:
        """Execute a run alone, as soon as there is room: does not wait. One that is here already stays as it is."""
        with self._changed:
            if run_id not in self._cells and not self._is_draining:
                self._waiting[run_id] = task_id
                self._fill()
                return
        if self._is_draining:
            self._dispatcher.send(run_id, task_id)

    def drain(self) -> None:
        """Send what waits to other workers, and ask the processes to hand over their runs."""
        with self._changed:
            self._is_draining = True
            waiting, self._waiting = self._waiting, {}
            cells = [cell for cell in self._cells.values() if cell is not None]
        for run_id, task_id in waiting.items():
            self._dispatcher.send(run_id, task_id)
        for cell in cells:
            cell.drain()

    def wait_empty(self, timeout_s: float) -> bool:
        """True once no process is left."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._cells, timeout_s)

    def _fill(self) -> None:
        while self._waiting and len(self._cells) < self._slots:
            run_id, task_id = next(iter(self._waiting.items()))
            del self._waiting[run_id]
            self._cells[run_id] = None
            threading.Thread(target=self._watch, args=(run_id, task_id), name=f"quarantine-{run_id}", daemon=True).start()

    def _watch(self, run_id: str, task_id: str) -> None:
        try:
            self._execute(run_id, task_id)
        finally:
            with self._changed:
                del self._cells[run_id]
                self._fill()
                self._changed.notify_all()

    def _execute(self, run_id: str, task_id: str) -> None:
        owner = f"alone-{uuid.uuid4().hex}"
        try:
            cell = self._start(run_id, task_id, owner)
        except OSError as error:
            logger.error("Run %s cannot be executed alone now; its task is sent again later: %s", run_id, error)
            return
        with self._changed:
            self._cells[run_id] = cell
        if self._is_draining:
            cell.drain()
        status = cell.wait()
        if status:
            logger.error("The process that executed run %s alone ended with status %d.", run_id, status)
            self._on_death(owner)
