"""The process that executes runs in quarantine, one at a time: a worker without Celery.

It is forked from a server that has imported all of this and opened nothing, and it shares nothing with the worker that asked for it but
the pipe through which its runs come.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import sys
import threading
import uuid
from contextlib import suppress
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerProcess

from celery import Celery

from worker.bootstrap import Worker, build_worker
from worker.config import Config
from worker.store.errors import StorageUnavailable

logger = logging.getLogger(__name__)

#: What the server imports, so that a process costs a fork: it comes and goes in 0.7 s instead of 1.2, most of that in its end.
PRELOADED = ["worker.alone"]


class ForkedCell:
    """A process of its own (worker/quarantine.py ``Cell``)."""

    def __init__(self, process: ForkServerProcess, orders: Connection, owner: str) -> None:
        self._process = process
        self._orders = orders
        self.owner = owner

    @classmethod
    def start(cls) -> ForkedCell:
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(PRELOADED)
        owner = f"alone-{uuid.uuid4().hex}"
        ours, theirs = context.Pipe()
        try:
            process = context.Process(target=execute_alone, args=(theirs, owner), name=owner, daemon=True)
            process.start()
        except OSError:
            ours.close()
            raise
        finally:
            theirs.close()
        return cls(process, ours, owner)

    def execute(self, run_id: str, task_id: str, queue: str | None) -> bool:
        try:
            self._orders.send((run_id, task_id, queue))
            self._orders.recv()
        except (EOFError, OSError):
            return False
        return True

    def drain(self) -> None:
        self._process.terminate()

    def close(self) -> int:
        self._orders.close()
        self._process.join()
        return self._process.exitcode or 0


def execute_alone(orders: Connection, owner: str) -> None:
    """Execute run after run until the pipe is closed; hand over on SIGTERM and when the worker that asked for it is gone."""
    # Its lines look like those of the worker around it.
    Celery("penstock").log.setup_logging_subsystem(loglevel=logging.INFO)
    try:
        worker = build_worker(Config.from_env(os.environ), os.environ, owner=owner)
    except StorageUnavailable as error:
        logger.warning("No run can be executed alone now: %s", error)
        sys.exit(1)
    worker.start()
    _drain_on_signals(worker)
    try:
        # The other end is closed when no more runs are to come, or its process is dead.
        with suppress(EOFError, OSError):
            while True:
                worker.runner.execute(*orders.recv())
                orders.send(None)
    finally:
        worker.stop()


def _drain_on_signals(worker: Worker) -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: worker.begin_stop())
    threading.Thread(target=_drain_without_parent, args=(worker,), name="penstock-parent", daemon=True).start()


def _drain_without_parent(worker: Worker) -> None:
    """Nobody would end this process at the run's deadline any more: another worker does that better."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        worker.begin_stop()
