"""The items of a batch: cheap runs, each of which says itself what must become of it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from tests.faults.harness.kinds import QUERY, RUN, Kind
from tests.faults.harness.verdict import Calls, Effects
from tests.services import documents
from tests.services.documents import Edge

#: In the query of an item whose run calls the server that counts.
RINGS = "rings"

#: Of so many items one rings, in a batch whose runs are to be cheap: at 200 runs a second one is always in its call, and can lose its
#: worker.
RING_EVERY = 200

#: What the server that counts does with such a call (counting.py).
SOON = "after/1000"

#: Examples that a sentence about many items names.
SHOWN = 5

Line = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Item:
    custom_id: str
    query: str

    @property
    def rings(self) -> bool:
        return RINGS in self.query


def cheap(name: str, counting_url: str, answering: str = SOON) -> Kind:
    """The answer is the query; where this rings, it is what the server answers, which counts the call as ``<run id>:call``."""
    call = documents.http_get("call", f"{counting_url}/{answering}/{RUN}:call", method="post")
    which = documents.if_else("which", documents.condition(["start", "query"], "contains", RINGS))
    either = documents.aggregator("either", said=[["call", "body"], ["start", "query"]])
    edges: list[Edge] = [
        ("start", "which"),
        ("which", "call", "true"),
        ("which", "either", "false"),
        ("call", "either"),
        ("either", "end"),
    ]
    nodes = [QUERY, which, call, either, documents.end(said=["either", "said", "output"])]
    executions = dict.fromkeys(["start", "which", "either", "end"], 1)
    return Kind(name, documents.workflow(name, nodes, edges), outputs, executions)


def outputs(query: str, run_id: str) -> dict[str, Any]:
    return {"said": f"{run_id}:call" if RINGS in query else query}


def items(count: int, ring_every: int = RING_EVERY) -> list[Item]:
    return [Item(f"row-{n}", f"item {n}{' ' + RINGS if n % ring_every == 0 else ''}") for n in range(1, count + 1)]


def jsonl(of: Iterable[Item]) -> str:
    return "".join(json.dumps({"custom_id": item.custom_id, "inputs": {"query": item.query}}) + "\n" for item in of)


def result_problems(asked: Sequence[Item], results: Sequence[Line]) -> Iterator[str]:
    """Every item has one result, and the right one. A sentence each."""
    wanted = {item.custom_id: item for item in asked}
    found = Counter(line["custom_id"] for line in results)
    yield from one_sentence("have no result", wanted.keys() - found.keys())
    yield from one_sentence("were never asked for", found.keys() - wanted.keys())
    yield from one_sentence("have several results", (custom_id for custom_id, times in found.items() if times > 1))
    known = [line for line in results if line["custom_id"] in wanted]
    yield from one_sentence(
        "did not succeed", (f"{line['custom_id']} ({line['error']})" for line in known if line["status"] != "succeeded")
    )
    yield from one_sentence("have wrong outputs", (f"{line['custom_id']} ({line['outputs']})" for line in known if is_wrong(line, wanted)))


def is_wrong(line: Line, wanted: Mapping[str, Item]) -> bool:
    is_right: bool = line["outputs"] == outputs(wanted[line["custom_id"]].query, line["workflow_run_id"])
    return line["status"] == "succeeded" and not is_right


def count_problems(counts: Mapping[str, int], results: Sequence[Line]) -> Iterator[str]:
    """What a batch says of its items is what its results say."""
    there = Counter(line["status"] for line in results)
    due = {"total": len(results), "ended": len(results), **{name: there[name] for name in counts if name not in ("total", "ended")}}
    if counts != due:
        yield f"The batch counts {counts}, and there are {due}."


def ringing_runs(asked: Sequence[Item], results: Sequence[Line]) -> set[str]:
    rings = {item.custom_id for item in asked if item.rings}
    return {line["workflow_run_id"] for line in results if line["custom_id"] in rings}


def effect_problems(kind: Kind, attempts: Mapping[str, int], calls: Calls) -> Iterator[str]:
    """The runs that ring, and they alone, have called; again only where a worker was lost. ``attempts``: of these runs, by their ids."""
    ringing = replace(kind, effects=["call"])
    for run_id, number in attempts.items():
        for problem in Effects.of(run_id, ringing, calls).problems(ringing, number):
            yield f"Run {run_id} {problem.text}."
    yield from one_sentence("were called by runs that do not ring", calls.counts.keys() - {f"{run_id}:call" for run_id in attempts})


def one_sentence(what: str, names: Iterable[str]) -> Iterator[str]:
    """One sentence about all of them, if there are any."""
    if there := sorted(names):
        yield f"{len(there)} {what}, such as {', '.join(there[:SHOWN])}."
