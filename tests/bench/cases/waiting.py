"""Many runs that wait in one worker process: what each costs in memory, and what they do to a short run beside them."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as NotYet

from tests.bench.bed import Bed, Meter
from tests.bench.context import Context
from tests.bench.figures import percentile
from tests.bench.generator import Answer, Order, Request, load, order_runs
from tests.bench.workloads import start_end, waiting
from tests.services.documents import asking
from tests.services.footprint import Footprint, resident_kb
from tests.services.penstock import ImportedApp
from tests.services.waiting import wait_for
from worker.engine.events import RunStatus
from worker.store.models import RUNS

CASE = "waiting"

#: Runs beyond those that wait which the worker takes.
SPARE = 100

#: How long they wait, at least.
WAIT_S = 10.0

#: Answers of a model that take as long, token by token.
QUERY = "[[dev: tokens=100 delay_ms=100 clock]]"

#: Seconds between two looks at a process whose greatest weight is wanted.
LOOK_S = 0.25


def measure(context: Context) -> None:
    measure_calls(context, context.pick(1000, 200))
    # A worker that has been large takes no more memory until it is so again: the answers get a new one.
    measure_models(context, context.pick(500, 100))


def measure_calls(context: Context, runs: int) -> None:
    with Bed(context.database, PENSTOCK_WORKER_CONCURRENCY=str(runs + SPARE)) as bed:
        bed.staff()
        short, long = bed.stage.deployment.import_documents([start_end(), waiting(bed.backend_url, "/hold")])
        # As many at a time as there are clients: the threads of short runs do not count for those that wait.
        bed.warm_up(Request(short), clients=32, runs=200)
        context.say(f"waiting: {context.database}, short runs alone")
        add_short(context, bed, short, "none")
        context.say(f"waiting: {runs} runs, and short ones beside them")
        measure_beside(context, bed, short, long, runs)


def measure_beside(context: Context, bed: Bed, short: ImportedApp, long: ImportedApp, runs: int) -> None:
    row, (worker,) = f"{runs} runs", bed.pids()["worker"]
    before_kb, before = resident_kb([worker]), Footprint.of(worker)
    submitted = load(order_runs(bed.stage.urls(), Request(long, "async"), 16, 60, limit=runs))
    if submitted.failed:
        raise RuntimeError(f"{submitted.failures} {submitted.sample}")
    wait_for(lambda: int(bed.call_backend("calls")) == runs, "every run to wait in its call", timeout_s=120)
    context.figures.add(CASE, row, "KB/run", (resident_kb([worker]) - before_kb) / runs)
    context.figures.add(CASE, row, "threads/run", (Footprint.of(worker).threads - before.threads) / runs)
    add_short(context, bed, short, row)
    bed.call_backend("release")
    wait_for(lambda: bed.count_runs(RUNS.c.finished_at.is_(None)) == 0, "every run to end", timeout_s=120)
    context.figures.add(CASE, row, "runs that did not succeed", bed.count_runs(RUNS.c.status != RunStatus.SUCCEEDED))


def measure_models(context: Context, runs: int) -> None:
    """Runs whose clients read a model's answer while it is written."""
    context.say(f"waiting: {runs} answers of models")
    with Bed(context.database, with_model=True, PENSTOCK_WORKER_CONCURRENCY=str(runs + SPARE)) as bed:
        bed.staff()
        app = bed.stage.deployment.import_document(asking("asking"))
        bed.warm_up(Request(app, "streaming", {"query": "[[dev: tokens=5]]"}), clients=1, runs=1)
        (worker,) = bed.pids()["worker"]
        before_kb = resident_kb([worker])
        order = order_runs(bed.stage.urls(), Request(app, "streaming", {"query": QUERY}), runs, 60, limit=runs, has_clock=True, ramp_s=5)
        answer, peak_kb = load_and_watch(order, worker)
    columns = {"KB/run": (peak_kb - before_kb) / runs, "failed": answer.failed, "runs that did not succeed": runs - answer.count}
    columns |= {f"token p{part * 100:.0f} ms": percentile(answer.delays_ns, part) / 1e6 for part in (0.5, 0.99)}
    for column, value in columns.items():
        context.figures.add(CASE, f"{runs} answers of models", column, value)


def load_and_watch(order: Order, pid: int) -> tuple[Answer, int]:
    """What the load answers, and the most that a process weighed meanwhile, in KB."""
    peak_kb = 0
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(load, order)
        while True:
            peak_kb = max(peak_kb, resident_kb([pid]))
            try:
                return answer.result(timeout=LOOK_S), peak_kb
            except NotYet:
                continue


def add_short(context: Context, bed: Bed, app: ImportedApp, row: str) -> Answer:
    with Meter(bed.pids()) as meter:
        answer = load(order_runs(bed.stage.urls(), Request(app), 1, context.pick(WAIT_S, 3.0)))
    columns = {"short run p50 ms": answer.latency_ms(0.5), "short run p95 ms": answer.latency_ms(0.95), "short runs/s": answer.per_s}
    for column, value in {**columns, "failed": answer.failed, "worker CPU %": 100 * meter.cpu_s["worker"] / meter.took_s}.items():
        context.figures.add(CASE, row, column, value)
    return answer
