"""The engine alone, in this process (tests/bench/engine.py)."""

from __future__ import annotations

from tests.bench.context import Context
from tests.bench.engine import measure as measure_engine

CASE = "engine"

#: Of processor time, but for the elapsed one: that is what graphon is compared by, whose threads wait for each other.
COLUMNS = {
    "us_per_node": "µs/node",
    "us_per_run": "µs/run",
    "wall_us_per_node": "elapsed µs/node",
    "nodes": "nodes",
    "events": "events",
    "peak_kb": "peak KB",
}


def measure(context: Context) -> None:
    context.say("engine: a dozen workflows")
    for row in measure_engine(is_quick=context.is_quick):
        for key, column in COLUMNS.items():
            if key in row:
                context.figures.add(CASE, row["case"], column, row[key])
