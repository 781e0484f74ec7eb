"""Small workflows out of scripted nodes: what the tests of scheduler, response stream and run are made of."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from worker.engine.execution import Threads
from worker.engine.graph import Edge, Graph, GraphNode
from worker.engine.inbox import Inbox
from worker.engine.limits import Limits
from worker.engine.memory import MemoryJournal, SystemClock
from worker.engine.node import NodeContext, NodeResult, NodeSpec
from worker.engine.ports import Ports
from worker.engine.response import ResponsePlan
from worker.engine.run import WorkflowRun
from worker.engine.start import Resume, RunStart
from worker.engine.variables import MISSING, VariablePool, remote_address
from worker.engine.workflow import ConversationVariable

Script = Callable[[VariablePool, NodeContext], NodeResult]


class ScriptedNode:
    """A node that does what the test says; ``segments`` only on those that stream."""

    def __init__(self, script: Script, *, is_pure: bool, is_branch: bool) -> None:
        self.run = script
        self.is_pure = is_pure
        self.is_branch = is_branch


def node(
    node_id: str,
    script: Script | None = None,
    *,
    kind: str = "variable-aggregator",
    is_pure: bool = True,
    is_branch: bool = False,
    segments: Sequence[Any] | None = None,
    **data: Any,
) -> GraphNode:
    """A node that outputs ``{"out": its id}`` unless scripted."""
    spec = NodeSpec(node_id, kind, node_id.upper(), "1", data, path=f"workflow.graph.nodes[{node_id}]")
    made = ScriptedNode(script or (lambda pool, context: NodeResult({"out": node_id})), is_pure=is_pure, is_branch=is_branch)
    if segments is not None:
        made.segments = segments
    return GraphNode.of(spec, made)


def start(**outputs: Any) -> GraphNode:
    return node("start", lambda pool, context: NodeResult(outputs), kind="start")


def end(*names: tuple[str, tuple[str, ...]], node_id: str = "end") -> GraphNode:
    """An End node: ``("answer", ("llm", "text"))`` pairs; text segments of newlines between."""

    def run(pool: VariablePool, context: NodeContext) -> NodeResult:
        values = {name: None if pool.get(selector) is MISSING else pool.get(selector) for name, selector in names}
        return NodeResult(values, values)

    segments: list[Any] = []
    for _, selector in names:
        segments += [selector, "\n"]
    return node(node_id, run, kind="end", segments=segments[:-1])


def graph(nodes: Sequence[GraphNode], *edges: str) -> Graph:
    """Edges as ``"a>b"`` or ``"a:handle>b"``."""
    outgoing: dict[str, list[Edge]] = {}
    for text in edges:
        left, target = text.split(">")
        source, _, handle = left.partition(":")
        outgoing.setdefault(source, []).append(Edge(source, target, handle or "source"))
    return Graph({item.id: item for item in nodes}, outgoing, "start")


def ports(limits: Limits | None = None) -> Ports:
    """Only clock and limits: scripted nodes need nothing else."""

    class NoFiles:
        url = staticmethod(remote_address)

    return Ports(http=None, code=None, templates=None, documents=None, files=NoFiles(), clock=SystemClock(), limits=limits or Limits())


def run_of(
    made: Graph,
    *,
    journal: MemoryJournal | None = None,
    inbox: Inbox | None = None,
    limits: Limits | None = None,
    resume: Resume | None = None,
    inputs: Mapping[str, Any] | None = None,
    environment: Mapping[str, Any] | None = None,
    conversation: Sequence[ConversationVariable] = (),
    elapsed_s: float = 0.0,
    trigger_id: str | None = None,
) -> tuple[WorkflowRun, MemoryJournal, Inbox]:
    journal, inbox, made_ports = journal or MemoryJournal(), inbox or Inbox(), ports(limits)
    now = made_ports.clock.now()
    begin = RunStart(
        run_id="run-1",
        app_id="app-1",
        inputs=inputs or {},
        system={"user_id": "u", "timestamp": 1},
        environment=environment or {},
        created_at=now,
        elapsed_s=elapsed_s,
        trigger_id=trigger_id,
        conversation=conversation,
    )
    run = WorkflowRun(
        made, ResponsePlan.of(made), begin, ports=made_ports, journal=journal, inbox=inbox, threads=Threads(idle_s=0.2), resume=resume
    )
    return run, journal, inbox
