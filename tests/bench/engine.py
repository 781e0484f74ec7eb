"""The engine alone, in this process: its real loop, scheduler, pool, nodes and events, and a journal that only counts.

    python -m tests.bench.engine [--quick] [WORD ...]     # cases that have one of the words in their names

Times are processor time of this process, the best of several repeats: what other processes do to the machine plays little part.
Where ``BENCH_GRAPHON_PYTHON`` names an interpreter that has graphon (it needs Python 3.12 or newer), graphon runs the chain of 10, too.
"""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.services.documents import (
    Document,
    add,
    bindings,
    condition,
    container_edge,
    end,
    if_else,
    iteration,
    node,
    start,
    template,
    variable,
    workflow,
)
from worker.engine.dsl import read_workflow
from worker.engine.events import Event, RunStatus
from worker.engine.execution import Threads
from worker.engine.graph import compile_graph
from worker.engine.inbox import Inbox
from worker.engine.limits import Limits
from worker.engine.memory import SystemClock
from worker.engine.ports import Ports
from worker.engine.record import NodeRecord
from worker.engine.response import ResponsePlan
from worker.engine.run import WorkflowRun
from worker.engine.start import RunStart
from worker.engine.variables import remote_address
from worker.nodes.registry import Registry

#: Seconds of processor time that a repeat takes at least; a short one would measure the clock.
REPEAT_S = 0.05

#: The usual limits, but for long chains and many rounds.
LIMITS = Limits(workflow_max_execution_steps=1_000_000, graph_engine_max_workers=1000)

INPUTS: Mapping[str, Any] = {"text": "hello", "number": 1}


@dataclass(frozen=True, slots=True)
class Case:
    name: str
    document: Document
    #: That a run executes, start and end included; of an iteration, its rounds.
    nodes: int
    inputs: Mapping[str, Any] = field(default_factory=lambda: INPUTS)
    repeats: int = 20


def cases() -> Iterator[Case]:
    yield Case("start, end", chain([]), 2)
    for length in (10, 100, 1000):
        yield Case(f"chain of {length}", chain(mixed(length - 2)), length)
    for name, make in KINDS.items():
        yield Case(f"chain of 100 {name}", chain([make(number) for number in range(98)]), 100)
    yield Case("fan-out of 100, join", fan_out(100), 103)
    for items in (100, 1000, 10_000):
        yield Case(f"iteration of {items}", rounds(), items, {"items": list(range(items))}, repeats=5)
    yield Case("iteration of 1000, behind 100", rounds(before=100), 1000, {"items": list(range(1000)), **INPUTS}, repeats=5)


# ---- the workflows


def text_template(number: int) -> dict[str, Any]:
    return template(f"n{number}", "{{ word }}, {{ number }}", word=["start", "text"], number=["start", "number"])


def aggregator(number: int) -> dict[str, Any]:
    return node(f"n{number}", "variable-aggregator", output_type="string", variables=[["absent", "text"], ["start", "text"]])


def branch(number: int) -> dict[str, Any]:
    return if_else(f"n{number}", condition(["start", "text"], "contains", "ell"))


def counter(number: int) -> dict[str, Any]:
    return add(f"n{number}", ["start", "number"], 1)


KINDS: Mapping[str, Callable[[int], dict[str, Any]]] = {
    "templates": text_template,
    "aggregators": aggregator,
    "if-else": branch,
    "assigners": counter,
}


def mixed(length: int) -> list[dict[str, Any]]:
    """One of each kind in turn."""
    return [make(number) for number, make in zip(range(length), itertools.cycle(KINDS.values()), strict=False)]


def chain(steps: Sequence[dict[str, Any]]) -> Document:
    nodes = [first(), *steps, end(text=["start", "text"])]
    return workflow("chain", nodes, itertools.starmap(link, itertools.pairwise(nodes)))


def first(*more: dict[str, Any]) -> dict[str, Any]:
    return start(variable("text", "paragraph"), variable("number", "number"), *more)


def link(source: dict[str, Any], target: dict[str, Any]) -> tuple[str, str, str]:
    return source["id"], target["id"], "true" if source["data"]["type"] == "if-else" else "source"


def fan_out(width: int) -> Document:
    """Templates side by side, and an aggregator that waits for all of them."""
    steps = [text_template(number) for number in range(width)]
    join = node("join", "variable-aggregator", output_type="string", variables=[[step["id"], "output"] for step in steps])
    edges = [edge for step in steps for edge in (("start", step["id"]), (step["id"], "join"))]
    return workflow("fan-out", [first(), *steps, join, end(text=["join", "output"])], [*edges, ("join", "end")])


def rounds(before: int = 0) -> Document:
    """An iteration with a template inside, behind so many nodes."""
    inner = node("inner", "template-transform", template="item {{ item }}", variables=bindings(item=["each", "item"]))
    steps, each = [text_template(number) for number in range(before)], iteration("each", ["start", "items"], inner)
    outer = [first(variable("items", "json_object")), *steps, each[0], end(items=["each", "output"])]
    edges = itertools.starmap(link, itertools.pairwise(outer))
    return workflow("rounds", [*outer, *each[1:]], [*edges, container_edge("each", inner)])


# ---- measuring


class Counting:
    """A journal that counts."""

    def __init__(self) -> None:
        self.events = 0
        self.records = 0

    def emit(self, event: Event) -> None:
        self.events += 1

    def record(self, record: NodeRecord, *, durable: bool) -> None:
        self.records += 1

    def publish_due(self, *, is_idle: bool) -> float:
        return 60.0


class NoFiles:
    url = staticmethod(remote_address)


def runner(case: Case) -> Callable[[], Counting]:
    """Makes one run of a compiled workflow, from the beginning to the end."""
    registry = Registry()
    graph = compile_graph(read_workflow(case.document, registry), registry)
    responses, threads, clock = ResponsePlan.of(graph), Threads(), SystemClock()
    ports = Ports(None, None, None, None, NoFiles(), clock, LIMITS)  # type: ignore[arg-type]

    def run() -> Counting:
        begin = RunStart(RUN_ID, "app", case.inputs, SYSTEM, {}, clock.now())
        journal = Counting()
        ended = WorkflowRun(graph, responses, begin, ports=ports, journal=journal, inbox=Inbox(), threads=threads).execute()
        assert getattr(ended, "status", None) is RunStatus.SUCCEEDED, ended
        return journal

    return run


RUN_ID = "6f1a1c9e-7d52-4f7e-9f0a-5d7f3c1b2a10"
SYSTEM: Mapping[str, Any] = {
    "user_id": "alice",
    "app_id": "app",
    "workflow_id": "w",
    "workflow_run_id": RUN_ID,
    "timestamp": 1,
    "files": [],
}


def measure(words: Sequence[str] = (), *, is_quick: bool = False) -> Iterator[dict[str, Any]]:
    """A row for each case that has one of the words in its name.

    Keys: ``case``, ``nodes``, ``us_per_node`` and ``us_per_run`` (processor time), ``wall_us_per_node``, ``events`` and ``peak_kb``, which
    is what one run allocates at most at a time, its results included. The row of graphon has no ``peak_kb``.
    """
    for case in cases():
        if not words or any(word in case.name for word in words):
            yield measure_case(case, is_quick)
            if case.name == "chain of 10" and (python := os.environ.get("BENCH_GRAPHON_PYTHON")):
                yield measure_graphon(case, python, is_quick)


def measure_graphon(case: Case, python: str, is_quick: bool) -> dict[str, Any]:
    """Raises ``subprocess.CalledProcessError`` if that interpreter has no graphon."""
    script, given = Path(__file__).with_name("graphon_side.py"), json.dumps({"document": case.document, "inputs": dict(case.inputs)})
    ended = subprocess.run([python, str(script), str(5 if is_quick else 50)], input=given, capture_output=True, text=True, check=True)
    found = json.loads(ended.stdout)
    return {
        "case": f"graphon {case.name}",
        "nodes": case.nodes,
        "us_per_node": found["cpu_s"] / case.nodes * 1e6,
        "us_per_run": found["cpu_s"] * 1e6,
        "wall_us_per_node": found["s"] / case.nodes * 1e6,
        "events": found["events"],
    }


def measure_case(case: Case, is_quick: bool) -> dict[str, Any]:
    run = runner(case)
    events = run().events
    best_s, wall_s = best_time(run, 3 if is_quick else case.repeats)
    return {
        "case": case.name,
        "nodes": case.nodes,
        "us_per_node": best_s / case.nodes * 1e6,
        "us_per_run": best_s * 1e6,
        "wall_us_per_node": wall_s / case.nodes * 1e6,
        "events": events,
        "peak_kb": peak_kb(run),
    }


def best_time(run: Callable[[], object], repeats: int) -> tuple[float, float]:
    """Seconds of processor time and of time that a run takes, each in its best repeat; the first run says how many make a repeat."""
    count = max(1, round(REPEAT_S / timed(run, 1)[0]))
    times = [timed(run, count) for _ in range(repeats)]
    return min(cpu_s for cpu_s, _ in times), min(wall_s for _, wall_s in times)


def timed(run: Callable[[], object], count: int) -> tuple[float, float]:
    cpu_s, wall_s = time.process_time(), time.perf_counter()
    for _ in range(count):
        run()
    return (time.process_time() - cpu_s) / count, (time.perf_counter() - wall_s) / count


def peak_kb(run: Callable[[], object]) -> float:
    tracemalloc.start()
    try:
        run()
        return tracemalloc.get_traced_memory()[1] / 1024
    finally:
        tracemalloc.stop()


def main(arguments: Sequence[str]) -> None:
    print(f"{'case':32} {'nodes':>6} {'CPU us/node':>12} {'us/node':>9} {'CPU us/run':>11} {'events':>7} {'peak KB':>8}")
    words = [word for word in arguments if word != "--quick"]
    for row in measure(words, is_quick="--quick" in arguments):
        peak = f"{row['peak_kb']:8.0f}" if "peak_kb" in row else ""
        print(
            f"{row['case']:32} {row['nodes']:6d} {row['us_per_node']:12.2f} {row['wall_us_per_node']:9.2f} {row['us_per_run']:11.0f}"
            f" {row['events']:7d} {peak}",
            flush=True,
        )


if __name__ == "__main__":
    main(sys.argv[1:])
