"""Runs whose clients wait for them, blocking and streaming, beside the yardstick; each figure is taken in turns with the others."""

from __future__ import annotations

from contextlib import suppress

from tests.bench.bed import Bed, Meter
from tests.bench.context import Context
from tests.bench.figures import Figures, percentile
from tests.bench.generator import Answer, Request, load, order_runs
from tests.bench.workloads import ALL_CPU, CALL_MS, NODES, WORKLOADS, Workload
from tests.bench.yardstick import Yardstick
from tests.services.penstock import ImportedApp

CASE = "runs"

#: Of a window; runs that take long by themselves are looked at for at least so many of their lives.
LIVES = 4

#: Tasks of one measurement of bare Celery.
TASKS = 1000


def measure(context: Context) -> None:
    for database in context.databases:
        with Bed(database, with_model=True) as bed:
            bed.staff()
            apps = bed.stage.deployment.import_documents([workload.make(bed.backend_url) for workload in WORKLOADS])
            redis_url = bed.stage.valkey.url.removesuffix("0")
            with Yardstick(bed.folder, f"{redis_url}1") as yardstick:
                Comparison(context, database, bed, yardstick, apps).measure()
            with Yardstick(bed.folder, f"{redis_url}2", is_prefork=True) as yardstick:
                Comparison(context, database, bed, yardstick, []).measure_hello("hello-prefork", 32)
    for database in context.databases:
        add_derived(context.figures, database)


class Comparison:
    """The product and the yardstick side by side on one database."""

    def __init__(self, context: Context, database: str, bed: Bed, yardstick: Yardstick, apps: list[ImportedApp]) -> None:
        self._context = context
        self._database = database
        self._bed = bed
        self._yardstick = yardstick
        self._apps = apps

    def measure(self) -> None:
        for workload, app in zip(WORKLOADS, self._apps, strict=True):
            self._bed.warm_up(Request(app, workload.modes[0], workload.inputs), runs=40 if not workload.lone_s else 8)
        for clients in self._context.pick((1, 8, 32, 128), (1, 8, 32)):
            for number in range(self._context.pick(3, 1)):
                self._context.say(f"runs: {self._database}, {clients} clients, round {number + 1}")
                self._round(clients)

    def _round(self, clients: int) -> None:
        self.measure_hello("hello", clients)
        if clients == 1:
            self._bare()
        for workload, app in zip(WORKLOADS, self._apps, strict=True):
            for mode in workload.modes:
                self._product(workload, app, mode, clients)

    def _seconds(self, workload: Workload | None = None) -> float:
        seconds: float = self._context.pick(1.5, 0.8)
        return max(seconds, LIVES * workload.lone_s) if workload else seconds

    def measure_hello(self, name: str, clients: int) -> None:
        self._yardstick.load(clients, 0.1)
        with Meter({**self._yardstick.pids(), "valkey": self._bed.pids()["valkey"]}) as meter:
            answer = self._yardstick.load(clients, self._seconds())
        add_answer(self._context.figures, f"{self._database} {name} blocking {clients}", answer, meter)

    def _bare(self) -> None:
        bare = self._yardstick.bare(self._seconds(), TASKS)
        row = f"{self._database} bare-celery - 1"
        for part in (0.5, 0.95, 0.99):
            self._context.figures.add(CASE, row, f"p{part * 100:.0f} ms", percentile(bare.round_trips_ms, part))
        self._context.figures.add(CASE, row, "tasks/s", bare.tasks_per_s)

    def _product(self, workload: Workload, app: ImportedApp, mode: str, clients: int) -> None:
        request = Request(app, mode, workload.inputs)
        warm_s = max(0.5, 1.5 * workload.lone_s)
        order = order_runs(self._bed.stage.urls(), request, clients, self._seconds(workload), warm_s=warm_s, has_clock=workload.has_clock)
        with Meter(self._bed.pids()) as meter:
            answer = load(order)
        add_answer(self._context.figures, f"{self._database} {workload.name} {mode} {clients}", answer, meter)
        if answer.failed:
            self._context.say(f"  {workload.name} {mode} {clients}: {answer.failures} {answer.sample[-300:]}")


def add_answer(figures: Figures, row: str, answer: Answer, meter: Meter, case: str = CASE) -> None:
    columns = {"runs/s": answer.per_s}
    columns |= {f"p{part * 100:.0f} ms": answer.latency_ms(part) for part in (0.5, 0.95, 0.99)}
    if answer.started:
        columns |= {f"started p{part * 100:.0f} ms": answer.started_ms(part) for part in (0.5, 0.95, 0.99)}
    if answer.delays_ns:
        columns |= {f"token p{part * 100:.0f} ms": percentile(answer.delays_ns, part) / 1e6 for part in (0.5, 0.99)}
    used_us = meter.per_run_us(answer.count)
    columns |= {f"{part} CPU µs": used for part, used in used_us.items()}
    # The scripted model is no part of the product.
    columns[ALL_CPU] = sum(used for part, used in used_us.items() if part != "model")
    columns |= {"load CPU %": 100 * answer.cpu_s / answer.took_s, "failed": answer.failed}
    for column, value in columns.items():
        figures.add(case, row, column, value)


def add_derived(figures: Figures, database: str) -> None:
    """What one code node and one call beside others add, from the medians of runs alone."""
    with suppress(KeyError):
        lone_ms = figures.value(CASE, f"{database} start-end blocking 1", "p50 ms")
        code_ms = figures.value(CASE, f"{database} ten-code blocking 1", "p50 ms")
        wide_ms = figures.value(CASE, f"{database} five-branches blocking 1", "p50 ms")
        figures.add("added", database, "one code node ms", (code_ms - lone_ms) / NODES)
        figures.add(
            "added", database, "one pure node ms", (figures.value(CASE, f"{database} ten-pure blocking 1", "p50 ms") - lone_ms) / NODES
        )
        figures.add("added", database, "five branches beyond their wait ms", wide_ms - CALL_MS)
