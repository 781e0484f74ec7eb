"""Sums of usage are exact however a run goes: in sequence, side by side, in rounds, after retries, a stop or a crash."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.engine.building import end, graph, node, run_of, start
from tests.unit.nodes.containing import inside, marker
from worker.bus.replay import Told
from worker.bus.wire import Envelope, encode
from worker.engine.checkpoint import dump_record, load_record
from worker.engine.errors import NodeError, Partial
from worker.engine.events import ContainerCompleted, NodeFinished, NodeRetried, RunStatus
from worker.engine.graph import Graph, GraphNode
from worker.engine.memory import MemoryJournal
from worker.engine.models import Answer, ModelRef, ModelRequest, Usage
from worker.engine.node import NodeResult, NodeSpec
from worker.engine.record import NodeRecord
from worker.engine.spending import NOTHING_SPENT, Spending
from worker.engine.start import Resume
from worker.history import Tally
from worker.llm.memory import ScriptedModels
from worker.nodes.iteration import IterationNode
from worker.nodes.loop import LoopNode

RETRIES = 2
ENVELOPE = Envelope("run-1", "task", "workflow", 1, "end-user", "alice", lambda file: "")
DEFAULTS = {"error_strategy": "default-value", "default_value": [{"key": "out", "type": "string", "value": "default"}]}


@dataclass(frozen=True)
class Attempt:
    #: Of each call that the attempt makes.
    usages: Sequence[Usage]
    fails: bool

    @property
    def spending(self) -> Spending:
        price = sum((usage.total_price for usage in self.usages), Decimal(0))
        return Spending(sum(usage.total_tokens for usage in self.usages), price, "USD")


Path = tuple[tuple[str, int], ...]


@dataclass
class Plan:
    """A workflow, and what each attempt of each of its model nodes uses, by node and place."""

    nodes: list[GraphNode] = field(default_factory=lambda: [start(items=[])])
    edges: list[str] = field(default_factory=list)
    attempts: dict[tuple[str, Path], list[Attempt]] = field(default_factory=dict)
    last: str = "start"
    #: The attempts that were made: a place once for each.
    made: list[tuple[str, Path]] = field(default_factory=list)

    def graph(self) -> Graph:
        return graph([*self.nodes, end(("out", (self.last, "out")))], *self.edges, f"{self.last}>end")

    def script(self, node_id: str, tried: Mapping[tuple[str, Path], int]) -> Any:
        """A node that asks a model, and can make nothing of the answers where the plan says so."""
        number: dict[Path, int] = defaultdict(int)

        def run(pool: Any, context: Any) -> NodeResult:
            place = (node_id, context.scope.path)
            attempt = self.attempts[place][tried.get(place, 0) + number[context.scope.path]]
            number[context.scope.path] += 1
            self.made.append(place)
            models, usage = ScriptedModels([Answer("answer", usage=usage) for usage in attempt.usages]), Usage()
            for _ in attempt.usages:
                usage = usage.add(models.stream(ModelRequest(ModelRef("p", "m"), []), context.cancellation, lambda delta: None).usage)
            if attempt.fails:
                raise NodeError("odd answer", partial=Partial(total_tokens=usage.total_tokens, metadata=usage.metadata()))
            return NodeResult({"out": "answer"}, total_tokens=usage.total_tokens, metadata=usage.metadata())

        return run

    def model_node(
        self, node_id: str, rounds: Mapping[Path, list[Attempt]], handled: Mapping[str, Any], tried: Mapping[tuple[str, Path], int]
    ) -> GraphNode:
        """``handled``: what becomes of its failures when no retry helps; empty: they end their frame."""
        self.attempts |= {(node_id, path): attempts for path, attempts in rounds.items()}
        retry = {"retry_enabled": True, "max_retries": RETRIES, "retry_interval": 0}
        return node(node_id, self.script(node_id, tried), kind="llm", is_pure=False, retry_config=retry, **handled)

    def again(self, tried: Mapping[tuple[str, Path], int]) -> Plan:
        """The same in another process, where the models go on from what they were asked before."""
        fresh = Plan(self.nodes[:1], self.edges, self.attempts, self.last)
        fresh.nodes += [fresh.renewed(item, tried) for item in self.nodes[1:]]
        return fresh

    def renewed(self, item: GraphNode, tried: Mapping[tuple[str, Path], int]) -> GraphNode:
        if not any(node_id == item.id for node_id, _ in self.attempts):
            return item
        handled = DEFAULTS if item.recovery.strategy else {}
        made = self.model_node(item.id, {}, handled, tried)
        return inside(made, item.spec.container_id) if item.spec.container_id else made

    @property
    def spent(self) -> Spending:
        return self.sum_of(self.made)

    def spent_in(self, container_id: str, outer: Path) -> Spending:
        """Within one execution of a container."""
        depth = len(outer)
        return self.sum_of(
            place for place in self.made if place[1][:depth] == outer and place[1][depth:][:1] and place[1][depth][0] == container_id
        )

    def sum_of(self, places: Iterable[tuple[str, Path]]) -> Spending:
        counted = Counter(places)
        used = [attempt.spending for place, count in counted.items() for attempt in self.attempts[place][:count]]
        return sum(used, NOTHING_SPENT)


@dataclass(slots=True)
class Timeline(MemoryJournal):
    """Keeps records and events in one order, as a crash would cut it off."""

    story: list[Any] = field(default_factory=list)

    def emit(self, event: Any) -> None:
        self.story.append(event)
        MemoryJournal.emit(self, event)

    def record(self, record: NodeRecord, *, durable: bool) -> None:
        self.story.append(record)
        MemoryJournal.record(self, record, durable=durable)


usages = st.builds(
    lambda prompt, completion, price: Usage(
        prompt_tokens=prompt, completion_tokens=completion, total_price=Decimal(price) * Decimal("0.0000001")
    ),
    st.integers(1, 10**6),
    st.integers(0, 10**6),
    st.integers(0, 10**9),
)


@st.composite
def calls(draw: Any) -> list[Attempt]:
    """The attempts of one node in one place: some failures and a success, or failures until no retry is left."""
    failures = draw(st.integers(0, RETRIES + 1))
    asked = st.lists(usages, min_size=1, max_size=2)
    used = [Attempt(draw(asked), fails=True) for _ in range(failures)]
    return used if failures > RETRIES else [*used, Attempt(draw(asked), fails=False)]


@st.composite
def plans(draw: Any) -> Plan:
    plan = Plan()
    for number in range(draw(st.integers(1, 3))):
        STAGES[draw(st.sampled_from(sorted(STAGES)))](plan, f"s{number}", draw)
    return plan


def add_branches(plan: Plan, name: str, draw: Any) -> None:
    """One model node, or some side by side and a node that joins them."""
    branches = [f"{name}m{number}" for number in range(draw(st.integers(1, 3)))]
    plan.nodes += [plan.model_node(branch, {(): draw(calls())}, DEFAULTS, {}) for branch in branches]
    plan.nodes.append(node(name))
    plan.edges += [f"{plan.last}>{branch}" for branch in branches] + [f"{branch}>{name}" for branch in branches]
    plan.last = name


def add_container(plan: Plan, name: str, draw: Any) -> None:
    kind = draw(st.sampled_from(["iteration", "loop"]))
    plan.edges.append(f"{plan.last}>{name}")
    plan.last = name
    place_container(plan, kind, name, [()], None, draw)


def place_container(plan: Plan, kind: str, name: str, outer: list[Path], container_id: str | None, draw: Any) -> None:
    """Model nodes one after the other, and perhaps another container behind them."""
    count = draw(st.integers(1, 3))
    container = container_node(kind, name, count, draw)
    paths = [(*path, (name, index)) for path in outer for index in range(count)]
    handled = DEFAULTS if draw(st.booleans()) else {}
    inner = [plan.model_node(f"{name}{letter}", {path: draw(calls()) for path in paths}, handled, {}) for letter in "ab"]
    plan.nodes += [inside(container, container_id) if container_id else container]
    plan.nodes += [marker(f"{name}start", f"{kind}-start", name), *(inside(item, name) for item in inner)]
    plan.edges += [f"{name}start>{name}a", f"{name}a>{name}b"]
    if container_id is None and draw(st.booleans()):
        plan.edges.append(f"{name}b>{name}n")
        place_container(plan, draw(st.sampled_from(["iteration", "loop"])), f"{name}n", paths, name, draw)


def container_node(kind: str, name: str, count: int, draw: Any) -> GraphNode:
    """Its failures, too, are handled."""
    if kind == "loop":
        spec = NodeSpec(name, "loop", name, "1", {"start_node_id": f"{name}start", "loop_count": count, **DEFAULTS})
        return GraphNode.of(spec, LoopNode(spec))
    mode = draw(st.sampled_from(["terminated", "continue-on-error", "remove-abnormal-output"]))
    # Which rounds of several at once are begun before the first one fails is a matter of chance.
    is_parallel = mode != "terminated" and draw(st.booleans())
    data = {"iterator_selector": ["start", f"items{count}"], "output_selector": [f"{name}a", "out"], "is_parallel": is_parallel}
    spec = NodeSpec(
        name, "iteration", name, "1", {"start_node_id": f"{name}start", "parallel_nums": 3, "error_handle_mode": mode, **data, **DEFAULTS}
    )
    return GraphNode.of(spec, IterationNode(spec))


STAGES = {"branches": add_branches, "container": add_container}
LISTS = {f"items{count}": list(range(count)) for count in range(1, 4)}


def executed(plan: Plan, **more: Any) -> tuple[Any, Timeline]:
    journal = Timeline()
    plan.nodes[0] = start(**LISTS)
    run, _, _ = run_of(plan.graph(), journal=journal, **more)
    return run.execute(), journal


def told_spending(events: Iterable[Any]) -> Spending:
    told = [event.metadata for event in events if isinstance(event, NodeFinished | NodeRetried) and "total_tokens" in event.metadata]
    return sum((Spending.of(metadata["total_tokens"], metadata) for metadata in told), NOTHING_SPENT)


def containers_of(events: Iterable[Any]) -> dict[tuple[str, Path], Spending]:
    ends = [event for event in events if isinstance(event, ContainerCompleted)]
    return {(event.node_id, event.scope.path): Spending.of(event.total_tokens, event.metadata) for event in ends}


@settings(max_examples=40, deadline=None)
@given(plans())
def test_a_run_sums_up_every_attempt_of_every_node_exactly(plan):
    finished, journal = executed(plan)

    assert finished.spending == plan.spent == told_spending(journal.events)


@settings(max_examples=40, deadline=None)
@given(plans())
def test_a_container_tells_what_its_rounds_used_and_cost(plan):
    _, journal = executed(plan)

    for (name, outer), spending in containers_of(journal.events).items():
        assert spending == plan.spent_in(name, outer)


@settings(max_examples=60, deadline=None)
@given(plans(), st.data())
def test_a_run_that_goes_on_after_a_crash_counts_nothing_twice_and_forgets_nothing(plan, data):
    expected, journal = executed(plan)
    known = journal.story[: data.draw(st.integers(0, len(journal.story)))]
    records = [load_record(json.loads(json.dumps(dump_record(item)))) for item in known if isinstance(item, NodeRecord)]
    told = Told([encode(item, ENVELOPE) for item in known if not isinstance(item, NodeRecord)])
    retried = Counter((item.node_id, item.scope.path) for item in known if isinstance(item, NodeRetried))

    finished, again = executed(plan.again(retried), resume=Resume(records, told.started, told.tried))

    assert (finished.spending, finished.total_steps, finished.exceptions_count) == (
        expected.spending,
        expected.total_steps,
        expected.exceptions_count,
    )
    assert containers_of(again.events) == containers_of(journal.events)


@settings(max_examples=40, deadline=None)
@given(plans(), st.data())
def test_a_run_that_is_stopped_counts_what_it_told(plan, data):
    stops_at = data.draw(st.integers(0, 40))
    plan.nodes[0] = start(**LISTS)
    run, journal, inbox = run_of(plan.graph())
    journal.on_event = lambda event: inbox.stop() if len(journal.events) == stops_at else None
    finished = run.execute()

    assert finished.spending == told_spending(journal.events)


@settings(max_examples=40, deadline=None)
@given(plans(), st.data())
def test_a_run_that_no_engine_ends_counts_what_is_known_of_it(plan, data):
    _, journal = executed(plan)
    known = journal.story[: data.draw(st.integers(0, len(journal.story)))]
    tally = Tally()
    for item in known:
        if isinstance(item, NodeRecord):
            tally.add(item)
        elif isinstance(item, NodeRetried):
            tally.retry(item)

    leaves = [item for item in known if isinstance(item, NodeRecord) and not item.is_container]
    ended = {record.execution_id for record in leaves}
    retried = [item for item in known if isinstance(item, NodeRetried) and item.execution_id not in ended]
    assert tally.total_tokens == sum(item.total_tokens for item in leaves) + told_spending(retried).total_tokens
    assert tally.total_steps == sum(item.attempts for item in known if isinstance(item, NodeRecord) and not item.scope.path) + sum(
        not event.scope.path for event in retried
    )


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
