"""The workflows that are measured, each a document of a few nodes."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.services.documents import Document, asking, chain, code, end, http_get, start, template, variable, workflow

#: Nodes of the long ones, branches of the wide one and milliseconds that each of its calls takes.
NODES = 10
BRANCHES = 5
CALL_MS = 50

#: What stands among them in the tables, and is no workflow: the hello-world view with two pools of Celery, and Celery alone.
YARDSTICKS = ("hello", "hello-prefork", "bare-celery")

#: Column with the processor time of a run in all processes.
ALL_CPU = "all CPU µs"

#: The model's answer: so many tokens with so many milliseconds between two, each the time at which it was sent.
TOKENS = 200
TOKEN_MS = 5
QUERY = f"[[dev: tokens={TOKENS} delay_ms={TOKEN_MS} clock]]"


@dataclass(frozen=True, slots=True)
class Workload:
    name: str
    #: From the address of the slow server.
    make: Callable[[str], Document]
    modes: Sequence[str] = ("blocking", "streaming")
    inputs: Mapping[str, Any] = field(default_factory=dict)
    has_clock: bool = False
    #: How long a run takes that has the machine for itself: it is measured for longer if that is long.
    lone_s: float = 0.0


def start_end(url: str = "") -> Document:
    return chain("start-end", [start(), end()])


def pure_nodes(url: str = "") -> Document:
    """Templates, each with the text of the one before it."""
    steps = [template("n0", "0")]
    steps += [template(f"n{number}", "{{ before }}.", before=[f"n{number - 1}", "output"]) for number in range(1, NODES)]
    return chain("pure-nodes", [start(), *steps, end(text=[f"n{NODES - 1}", "output"])])


def code_nodes(url: str = "") -> Document:
    source = "def main() -> dict:\n    return {'number': 1}"
    steps = [code(f"c{number}", source, {"number": "number"}) for number in range(NODES)]
    return chain("code-nodes", [start(), *steps, end(number=[f"c{NODES - 1}", "number"])])


def branches(url: str) -> Document:
    """Calls side by side, and an end that waits for all of them."""
    calls = [http_get(f"h{number}", f"{url}/after/{CALL_MS}") for number in range(BRANCHES)]
    last = end(**{call["id"]: [call["id"], "status_code"] for call in calls})
    edges = itertools.chain.from_iterable([("start", call["id"]), (call["id"], "end")] for call in calls)
    return workflow("branches", [start(), *calls, last], edges)


def waiting(url: str, path: str) -> Document:
    """One call, of a server that takes its time."""
    return chain("waiting", [start(), http_get("call", f"{url}{path}"), end(status=["call", "status_code"])])


def echo() -> Document:
    """Puts out what it is given."""
    return chain("echo", [start(variable("text", "paragraph", required=True)), end(text=["start", "text"])])


WORKLOADS = (
    Workload("start-end", start_end),
    Workload("ten-pure", pure_nodes),
    Workload("ten-code", code_nodes),
    Workload("five-branches", branches),
    Workload(
        "llm-200-tokens", lambda url: asking("llm"), ("streaming",), {"query": QUERY}, has_clock=True, lone_s=TOKENS * TOKEN_MS / 1000
    ),
)
