"""The process that executes one run in quarantine: a worker without Celery, for as long as the run takes.

It is forked from a server that has imported all of this and opened nothing, and it shares nothing with the worker that asked for it.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import threading
from multiprocessing.context import ForkServerProcess

from celery import Celery

from worker.bootstrap import Worker, build_worker
from worker.broker import celery_settings
from worker.config import Config

#: What the server imports, so that a process costs a fork: it comes and goes in 0.7 s instead of 1.2, most of that in its end.
PRELOADED = ["worker.alone"]


class ForkedCell:
    """A process of its own for one run (worker/quarantine.py ``Cell``)."""

    def __init__(self, process: ForkServerProcess) -> None:
        self._process = process

    @classmethod
    def start(cls, run_id: str, task_id: str, owner: str) -> ForkedCell:
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(PRELOADED)
        process = context.Process(target=execute_alone, args=(run_id, task_id, owner), name=f"alone-{run_id}", daemon=True)
        process.start()
        return cls(process)

    def wait(self) -> int:
        self._process.join()
        return self._process.exitcode or 0

    def drain(self) -> None:
        self._process.terminate()


def execute_alone(run_id: str, task_id: str, owner: str) -> None:
    """Execute the run, or hand it over on SIGTERM and when the worker that asked for it is gone."""
    config, app = Config.from_env(os.environ), Celery("penstock")
    app.conf.update(celery_settings(config))
    app.log.setup_logging_subsystem(loglevel=logging.INFO)
    worker = build_worker(config, app, os.environ, owner=owner)
    worker.start()
    _drain_on_signals(worker)
    try:
        worker.runner.execute(run_id, task_id)
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
