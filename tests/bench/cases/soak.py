"""A hundred thousand runs and ten thousand streams: what API and worker weigh after the first thousand and after the last."""

from __future__ import annotations

import time

from tests.bench.bed import Bed
from tests.bench.context import Context
from tests.bench.generator import Request, load, order_runs
from tests.bench.workloads import pure_nodes
from tests.services.footprint import resident_kb
from tests.services.penstock import ImportedApp
from tests.services.waiting import wait_for
from worker.engine.events import RunStatus
from worker.store.models import RUNS

CASE = "soak"

CLIENTS = 32

#: Runs that are queued at a time.
PORTION = 5000

#: Seconds after which no more are begun: the figures then say how far it came.
LIMIT_S = 1200.0


def measure(context: Context) -> None:
    with Bed(context.database) as bed:
        bed.staff()
        app = bed.stage.deployment.import_document(pure_nodes())
        soak = Soak(context, bed, app)
        soak.run(context.pick(1000, 500), context.pick(100, 50), "begin")
        soak.run(context.pick(99_000, 2000), context.pick(9_900, 450), "end")


class Soak:
    def __init__(self, context: Context, bed: Bed, app: ImportedApp) -> None:
        self._context = context
        self._bed = bed
        self._app = app
        self._stop_at = time.monotonic() + LIMIT_S
        self._runs = self._streams = self._failed = 0

    def run(self, runs: int, streams: int, row: str) -> None:
        """So many runs with a reader, so many from the queue, and then the weight of the processes."""
        self._context.say(f"soak: {self._context.database}, {runs} queued runs, {streams} streams")
        for portion in portions(streams):
            self._streams += self._load("streaming", portion)
        began, before = time.monotonic(), self._runs
        for portion in portions(runs):
            self._runs += self._load("async", portion)
            wait_for(self._is_done, "the queue to be empty", timeout_s=300, interval_s=0.2)
        columns = {
            "queued runs/s": (self._runs - before) / (time.monotonic() - began),
            "queued runs": self._runs,
            "streams": self._streams,
            "failed": self._failed,
        }
        columns |= {f"{part} MB": resident_kb(pids) / 1024 for part, pids in self._bed.pids().items()}
        columns["runs that did not succeed"] = self._bed.count_runs(RUNS.c.status != RunStatus.SUCCEEDED)
        for column, value in columns.items():
            self._context.figures.add(CASE, row, column, value)

    def _load(self, mode: str, count: int) -> int:
        if time.monotonic() > self._stop_at:
            return 0
        answer = load(order_runs(self._bed.stage.urls(), Request(self._app, mode), CLIENTS, 300, limit=count))
        self._failed += answer.failed
        return answer.count

    def _is_done(self) -> bool:
        return self._bed.count_runs(RUNS.c.finished_at.is_(None)) == 0


def portions(count: int) -> list[int]:
    return [min(PORTION, count - begun) for begun in range(0, count, PORTION)]
