"""Sums of usage are exact however a run goes: in sequence, side by side, in rounds, after retries and after a crash."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.engine.building import end, graph, node, run_of, start
from tests.unit.nodes.containing import inside, marker
from worker.engine.checkpoint import dump_record, load_record
from worker.engine.errors import NodeError, Partial
from worker.engine.events import ContainerCompleted, NodeFinished, NodeRetried, RunStatus
from worker.engine.graph import Graph, GraphNode
from worker.engine.models import Answer, ModelRef, ModelRequest, Usage
from worker.engine.node import NodeResult, NodeSpec
from worker.engine.spending import NOTHING_SPENT, Spending
from worker.engine.start import Resume
from worker.llm.memory import ScriptedModels
from worker.nodes.iteration import IterationNode
from worker.nodes.loop import LoopNode

RETRIES = 2


@dataclass(frozen=True)
class Attempt:
    usage: Usage
    fails: bool


Path = tuple[tuple[str, int], ...]


@dataclass
class Plan:
    """A workflow, and what each attempt of each of its model nodes uses, by node and place."""

    nodes: list[GraphNode] = field(default_factory=lambda: [start(items=[])])
    edges: list[str] = field(default_factory=list)
    attempts: dict[tuple[str, Path], list[Attempt]] = field(default_factory=dict)
    last: str = "start"

    def graph(self) -> Graph:
        return graph([*self.nodes, end(("out", (self.last, "out")))], *self.edges, f"{self.last}>end")

    def script(self, node_id: str) -> Any:
        """A node that asks a model, and can make nothing of the answer where the plan says so."""
        tried: dict[Path, int] = defaultdict(int)

        def run(pool: Any, context: Any) -> NodeResult:
            attempt = self.attempts[node_id, context.scope.path][tried[context.scope.path]]
            tried[context.scope.path] += 1
            models = ScriptedModels([Answer("answer", usage=attempt.usage)])
            usage = models.stream(ModelRequest(ModelRef("p", "m"), []), context.cancellation, lambda delta: None).usage
            if attempt.fails:
                raise NodeError("odd answer", partial=Partial(total_tokens=usage.total_tokens, metadata=usage.metadata()))
            return NodeResult({"out": "answer"}, total_tokens=usage.total_tokens, metadata=usage.metadata())

        return run

    def model_node(self, node_id: str, rounds: Mapping[Path, list[Attempt]]) -> GraphNode:
        """One whose failures, when no retry helps, are handled."""
        self.attempts |= {(node_id, path): attempts for path, attempts in rounds.items()}
        retry = {"retry_enabled": True, "max_retries": RETRIES, "retry_interval": 0}
        default = [{"key": "out", "type": "string", "value": "default"}]
        return node(
            node_id,
            self.script(node_id),
            kind="llm",
            is_pure=False,
            retry_config=retry,
            error_strategy="default-value",
            default_value=default,
        )

    def spent(self, places: Iterable[tuple[str, Path]]) -> tuple[int, Decimal]:
        usages = [attempt.usage for place in places for attempt in self.attempts[place]]
        return sum(usage.total_tokens for usage in usages), sum((usage.total_price for usage in usages), Decimal(0))

    def spent_in(self, container_id: str) -> tuple[int, Decimal]:
        return self.spent(place for place in self.attempts if place[1] and place[1][0][0] == container_id)


usages = st.builds(
    lambda prompt, completion, price: Usage(
        prompt_tokens=prompt, completion_tokens=completion, total_price=Decimal(price) * Decimal("0.0000001")
    ),
    st.integers(0, 10**6),
    st.integers(0, 10**6),
    st.integers(0, 10**9),
)


@st.composite
def calls(draw: Any) -> list[Attempt]:
    """The attempts of one node in one place: some failures and a success, or failures until no retry is left."""
    failures = draw(st.integers(0, RETRIES + 1))
    used = [Attempt(draw(usages), fails=True) for _ in range(failures)]
    return used if failures > RETRIES else [*used, Attempt(draw(usages), fails=False)]


@st.composite
def plans(draw: Any) -> Plan:
    plan = Plan()
    for number in range(draw(st.integers(1, 3))):
        STAGES[draw(st.sampled_from(sorted(STAGES)))](plan, f"s{number}", draw)
    return plan


def add_branches(plan: Plan, name: str, draw: Any) -> None:
    """One model node, or some side by side and a node that joins them."""
    branches = [f"{name}m{number}" for number in range(draw(st.integers(1, 3)))]
    plan.nodes += [plan.model_node(branch, {(): draw(calls())}) for branch in branches]
    plan.nodes.append(node(name))
    plan.edges += [f"{plan.last}>{branch}" for branch in branches] + [f"{branch}>{name}" for branch in branches]
    plan.last = name


def add_iteration(plan: Plan, name: str, draw: Any) -> None:
    items = node(f"{name}items", lambda pool, context: NodeResult({"items": list(range(rounds))}))
    rounds = draw(st.integers(1, 4))
    data = {"iterator_selector": [items.id, "items"], "output_selector": [f"{name}a", "out"], "is_parallel": draw(st.booleans())}
    spec = NodeSpec(name, "iteration", name, "1", {"start_node_id": f"{name}start", "parallel_nums": 3, **data})
    plan.nodes.append(items)
    plan.edges.append(f"{plan.last}>{items.id}")
    plan.last = items.id
    add_container(plan, GraphNode.of(spec, IterationNode(spec)), "iteration-start", rounds, draw)


def add_loop(plan: Plan, name: str, draw: Any) -> None:
    rounds = draw(st.integers(1, 4))
    spec = NodeSpec(name, "loop", name, "1", {"start_node_id": f"{name}start", "loop_count": rounds})
    add_container(plan, GraphNode.of(spec, LoopNode(spec)), "loop-start", rounds, draw)


def add_container(plan: Plan, container: GraphNode, start_kind: str, rounds: int, draw: Any) -> None:
    """Two model nodes inside, one after the other."""
    name = container.id
    inner = [plan.model_node(f"{name}{letter}", {((name, index),): draw(calls()) for index in range(rounds)}) for letter in "ab"]
    plan.nodes += [container, marker(f"{name}start", start_kind, name), *(inside(item, name) for item in inner)]
    plan.edges += [f"{plan.last}>{name}", f"{name}start>{name}a", f"{name}a>{name}b"]
    plan.last = name


STAGES = {"branches": add_branches, "iteration": add_iteration, "loop": add_loop}


@settings(max_examples=30, deadline=None)
@given(plans())
def test_a_run_sums_up_every_attempt_of_every_node_exactly(plan):
    run, journal, _ = run_of(plan.graph())
    finished = run.execute()

    tokens, _ = plan.spent(plan.attempts)
    assert finished.total_tokens == tokens
    told = [event.metadata["total_tokens"] for event in journal.events if isinstance(event, NodeFinished | NodeRetried) and event.metadata]
    assert sum(told) == tokens


@settings(max_examples=30, deadline=None)
@given(plans())
def test_a_container_tells_what_its_rounds_used_and_cost(plan):
    run, journal, _ = run_of(plan.graph())
    run.execute()

    for event in (event for event in journal.events if isinstance(event, ContainerCompleted)):
        tokens, price = plan.spent_in(event.node_id)
        assert (event.total_tokens, event.metadata["total_tokens"]) == (tokens, tokens)
        assert (Decimal(event.metadata["total_price"]), event.metadata["currency"]) == (price, "USD")


@settings(max_examples=30, deadline=None)
@given(plans(), st.data())
def test_a_run_that_goes_on_after_a_crash_counts_nothing_twice_and_forgets_nothing(plan, data):
    first, journal, _ = run_of(plan.graph())
    expected = first.execute()
    kept = journal.records[: data.draw(st.integers(0, len(journal.records)))]
    records = [load_record(json.loads(json.dumps(dump_record(record)))) for record in kept]
    fresh = Plan(plan.nodes[:1], plan.edges, plan.attempts, plan.last)
    fresh.nodes += [again(fresh, made) for made in plan.nodes[1:]]

    second, journal, _ = run_of(fresh.graph(), resume=Resume(records))
    finished = second.execute()

    assert finished.total_tokens == expected.total_tokens
    for event in (event for event in journal.events if isinstance(event, ContainerCompleted)):
        assert Decimal(event.metadata["total_price"]) == plan.spent_in(event.node_id)[1]


def again(plan: Plan, made: GraphNode) -> GraphNode:
    """The same node in another process: one that asks a model begins with its first attempt."""
    rounds = {path: attempts for (node_id, path), attempts in plan.attempts.items() if node_id == made.id}
    if not rounds:
        return made
    renewed = plan.model_node(made.id, rounds)
    return inside(renewed, made.spec.container_id) if made.spec.container_id else renewed


def test_what_the_node_that_ends_the_run_had_used_counts():
    usage = Usage(prompt_tokens=7, completion_tokens=3)

    def fail(pool, context):
        raise NodeError("odd answer", partial=Partial(total_tokens=usage.total_tokens, metadata=usage.metadata()))

    run, journal, _ = run_of(graph([start(), node("m", fail, kind="llm", is_pure=False)], "start>m"))
    finished = run.execute()
    assert (finished.status, finished.total_tokens) == (RunStatus.FAILED, 10)
    assert journal.events[-1].metadata == usage.metadata()


@given(st.lists(usages, max_size=6))
def test_usages_add_up_in_counts_and_prices(given_usages):
    total = Usage()
    for usage in given_usages:
        total = total.add(usage)
    counted = [usage for usage in given_usages if usage.total_tokens]
    assert total.total_tokens == sum(usage.total_tokens for usage in given_usages)
    if counted == given_usages:
        assert total.total_price == sum((usage.total_price for usage in given_usages), Decimal(0))


@pytest.mark.parametrize(
    ("metadata", "price", "currency"),
    [
        ({"total_price": "0.0000315", "currency": "USD"}, "0.0000315", "USD"),
        ({"total_price": 0.25, "currency": "EUR"}, "0.25", "EUR"),
        ({"tool_info": {}}, "0", ""),
        ({"total_price": None, "currency": None}, "0", ""),
    ],
)
def test_what_an_attempt_tells_may_or_may_not_have_a_price(metadata, price, currency):
    assert Spending.of(5, metadata) == Spending(5, Decimal(price), currency)


def test_nothing_spent_shows_no_price():
    assert NOTHING_SPENT.metadata() == {"total_tokens": 0}
    assert (NOTHING_SPENT + Spending(1, Decimal("0.10"), "EUR") + NOTHING_SPENT).metadata() == {
        "total_tokens": 1,
        "total_price": "0.10",
        "currency": "EUR",
    }
