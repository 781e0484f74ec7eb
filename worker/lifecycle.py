"""Binds the worker's own parts to a Celery worker: they start behind its pool, and hand the runs over before the pool is joined."""

from __future__ import annotations

import logging
import os
import signal
from typing import Any

from celery import bootsteps, signals

from worker.alone import ForkedCell
from worker.bootstrap import Worker, build_worker
from worker.config import Config
from worker.store.errors import StoreError
from worker.wake import SlotWake

logger = logging.getLogger(__name__)

#: A line or two for every task, of which the runner has one of its own, and a line for every call of a model.
CHATTY_LOGGERS = ("celery.worker.strategy", "celery.app.trace", "httpx2")


class WorkerStep(bootsteps.StartStopStep):
    """A step of Celery's worker blueprint, in the process that executes the tasks: the pools in use do not fork.

    Celery stops its steps in reverse order: first nothing more is consumed, then this step empties the pool, then the pool ends.
    """

    requires = ("celery.worker.components:Pool",)

    def __init__(self, parent: Any, **options: Any) -> None:
        super().__init__(parent, **options)
        self._worker: Worker | None = None
        self._wake: SlotWake | None = None

    def start(self, parent: Any) -> None:
        for name in CHATTY_LOGGERS:
            logging.getLogger(name).setLevel(logging.WARNING)
        self._worker = built_worker()
        # Where worker/tasks.py finds it: a task has nothing but its app.
        parent.app.run_service = self._worker.runner
        self._worker.start()
        # Only the threads pool has an event loop; gevent's looks for slots every two seconds, so it had better have some to spare.
        if getattr(parent, "hub", None) is not None:
            self._wake = SlotWake(parent.hub, parent.concurrency)
            self._wake.start()
        # Celery takes seconds from the signal to the stop of its steps; the runs need not wait for that.
        signals.worker_shutting_down.connect(self._on_signal, weak=False)
        # Ctrl-C is a request to leave like any other; Celery would take it for an emergency.
        signal.signal(signal.SIGINT, signal.getsignal(signal.SIGTERM))

    def stop(self, parent: Any) -> None:
        signals.worker_shutting_down.disconnect(self._on_signal)
        if self._wake is not None:
            self._wake.stop()
            self._wake = None
        if self._worker is not None:
            self._worker.stop()

    def terminate(self, parent: Any) -> None:
        """SIGQUIT, an emergency to Celery: the runs are handed over all the same."""
        self.stop(parent)

    def _on_signal(self, **details: Any) -> None:
        if self._worker is not None:
            self._worker.begin_stop()


def built_worker() -> Worker:
    """Ends the process, with a sentence, if there is no database for it."""
    try:
        return build_worker(Config.from_env(os.environ), os.environ, start_cell=ForkedCell.start)
    except StoreError as error:
        logger.critical("This worker cannot start: %s", error)
        raise SystemExit(1) from error
