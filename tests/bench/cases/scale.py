"""More processes: runs that wait for a slow server, more of them at a time than the workers take."""

from __future__ import annotations

from tests.bench.bed import Bed, Meter
from tests.bench.cases.runs import add_answer
from tests.bench.context import Context
from tests.bench.generator import Request, load, order_runs
from tests.bench.workloads import waiting
from tests.services.penstock import ImportedApp

CASE = "scale"

#: Milliseconds of each call: so long that what runs cost the processor plays a small part. A worker of 100 runs at a time ends 25 a second.
CALL_MS = 4000
QUICK_CALL_MS = 2000

#: Clients for each worker, some more than it takes at a time; four workers are still below the streams of one API process.
CLIENTS = 120


def measure(context: Context) -> None:
    with Bed(context.database) as bed:
        bed.staff()
        call_ms = context.pick(CALL_MS, QUICK_CALL_MS)
        app = bed.stage.deployment.import_document(waiting(bed.backend_url, f"/after/{call_ms}"))
        for webs, workers in context.pick([(1, 1), (1, 2), (1, 4), (2, 4)], [(1, 1), (1, 4)]):
            context.say(f"scale: {context.database}, {webs} APIs, {workers} workers")
            measure_staff(context, bed, app, webs, workers, call_ms / 1000)


def measure_staff(context: Context, bed: Bed, app: ImportedApp, webs: int, workers: int, life_s: float) -> None:
    bed.staff(webs=webs, workers=workers)
    # Clients begin over the first life of a run; another one passes until runs end as often as they begin.
    order = order_runs(bed.stage.urls(), Request(app), CLIENTS * workers, 3 * life_s, warm_s=2 * life_s, ramp_s=life_s)
    with Meter(bed.pids()) as meter:
        answer = load(order)
    row = f"{webs} {'API' if webs == 1 else 'APIs'}, {workers} {'worker' if workers == 1 else 'workers'}"
    add_answer(context.figures, row, answer, meter, CASE)
    context.figures.add(CASE, row, "steady runs/s", answer.steady_per_s)
