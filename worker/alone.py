"""The process that executes runs in quarantine: a worker without Celery.

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
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkServerProcess

from celery import Celery

from worker.bootstrap import Worker, build_worker
from worker.config import Config
from worker.engine.execution import Threads
from worker.quarantine import Suspect
from worker.store.errors import StorageUnavailable

logger = logging.getLogger(__name__)

#: What the server imports, so that a process costs a fork and little else: 0.02 s of a processor, and 0.07 with its first run, an HTTP
#: call (0.19 if it imports the node itself).
PRELOADED = ["worker.alone", *(f"worker.nodes.{name}" for name in ("code", "http_request", "iteration", "llm", "template"))]


class ForkedCell:
    """A process of its own (worker/quarantine.py ``Cell``)."""

    def __init__(self, process: ForkServerProcess, orders: Connection, owner: str) -> None:
        self._process = process
        self._orders = orders
        self.owner = owner
        self._lock = threading.Lock()
        #: True once they are over, False if the process ended first; by run id.
        self._executing: dict[str, Future[bool]] = {}
        self._is_gone = False
        threading.Thread(target=self._listen, name=f"listener-of-{owner}", daemon=True).start()

    @classmethod
    def start(cls) -> ForkedCell:
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(PRELOADED)
        owner = f"alone-{uuid.uuid4().hex}"
        ours, theirs = context.Pipe()
        for end in (ours, theirs):
            # gevent's are not.
            os.set_blocking(end.fileno(), True)
        try:
            process = context.Process(target=execute_alone, args=(theirs, owner), name=owner, daemon=True)
            process.start()
        except OSError:
            ours.close()
            raise
        finally:
            theirs.close()
        return cls(process, ours, owner)

    def execute(self, suspect: Suspect) -> bool:
        over: Future[bool] = Future()
        with self._lock:
            if self._is_gone:
                return False
            self._executing[suspect.run_id] = over
            # Of one that is just going the listener hears as well.
            with suppress(OSError):
                self._orders.send((suspect.run_id, suspect.task_id, suspect.queue))
        return over.result()

    def drain(self) -> None:
        self._process.terminate()

    def close(self) -> int:
        with self._lock, suppress(OSError):
            self._orders.send(None)
        self._process.join()
        return self._process.exitcode or 0

    def _listen(self) -> None:
        with suppress(EOFError, OSError):
            # gevent lets others go on while this waits, but not while it reads.
            while wait([self._orders]):
                run_id = self._orders.recv()
                with self._lock:
                    over = self._executing.pop(run_id)
                over.set_result(True)
        with self._lock:
            self._is_gone = True
            # Under the lock: nobody may write to its number when it is somebody else's.
            self._orders.close()
            left, self._executing = self._executing, {}
        for over in left.values():
            over.set_result(False)


def execute_alone(orders: Connection, owner: str) -> None:
    """Execute the runs that come through the pipe; hand over on SIGTERM and when the worker that asked for it is gone."""
    # Its lines look like those of the worker around it.
    Celery("penstock").log.setup_logging_subsystem(loglevel=logging.INFO)
    try:
        worker = build_worker(Config.from_env(os.environ), os.environ, owner=owner)
    except StorageUnavailable as error:
        logger.warning("No run can be executed in quarantine now: %s", error)
        sys.exit(1)
    worker.start()
    _drain_on_signals(worker)
    try:
        _take_orders(orders, worker)
    finally:
        worker.stop()


def _take_orders(orders: Connection, worker: Worker) -> None:
    """Until no more are to come, or whoever gives them is dead."""
    threads, answering = Threads(), threading.Lock()

    def execute(run_id: str, task_id: str, queue: str | None) -> None:
        worker.runner.execute(run_id, task_id, queue)
        with answering, suppress(OSError):
            orders.send(run_id)

    with suppress(EOFError, OSError):
        while (order := orders.recv()) is not None:
            threads.submit(partial(execute, *order))


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
