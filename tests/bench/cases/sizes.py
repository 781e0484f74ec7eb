"""Outputs of a kilobyte to megabytes: a workflow that puts out what it is given, one client and several."""

from __future__ import annotations

from tests.bench.bed import Bed, Meter
from tests.bench.cases.runs import add_answer
from tests.bench.context import Context
from tests.bench.generator import Request, load, order_runs
from tests.bench.workloads import echo

CASE = "sizes"

SIZES = {"1 KB": 1_000, "100 KB": 100_000, "5 MB": 5_000_000}

CLIENTS = 4


def measure(context: Context) -> None:
    for database in context.databases:
        with Bed(database) as bed:
            bed.staff()
            app = bed.stage.deployment.import_document(echo())
            bed.warm_up(Request(app, inputs={"text": "x"}))
            for name, size in SIZES.items():
                for mode in ("blocking", "streaming"):
                    context.say(f"sizes: {database}, {name}, {mode}")
                    request = Request(app, mode, {"text": "x" * size})
                    for clients in (1, CLIENTS):
                        with Meter(bed.pids()) as meter:
                            answer = load(order_runs(bed.stage.urls(), request, clients, context.pick(3.0, 0.7)))
                        add_answer(context.figures, f"{database} {name} {mode}, {clients} at a time", answer, meter, CASE)
