"""The validated, in-memory form of a workflow: compiled once per published version, then only read."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, runtime_checkable

from worker.engine.containers import ContainerNode
from worker.engine.errors import Finding, GraphError
from worker.engine.events import NodeStarted
from worker.engine.graph_document import START_TYPE, TRIGGER_TYPES
from worker.engine.node import Node, NodeContext, NodeRegistry, NodeResult, NodeSpec
from worker.engine.pausing import FormRequest
from worker.engine.recovery import Recovery, Strategy
from worker.engine.retry import RetryPolicy
from worker.engine.variables import VariablePool
from worker.engine.workflow import Workflow

#: Types that open a frame (nodes.md section 4.3).
SILENT_TYPES = frozenset({"iteration-start", "loop-start"})


@dataclass(frozen=True, slots=True)
class Edge:
    source: str
    target: str
    handle: str


@runtime_checkable
class Presented(Protocol):
    """What a node class offers of whose nodes ``node_started`` tells more than a title (api-contract.md section 4.4)."""

    @property
    def extras(self) -> Mapping[str, Any]: ...

    @property
    def agent_strategy(self) -> Mapping[str, Any] | None: ...


@dataclass(frozen=True, slots=True)
class GraphNode:
    """A node with all that the engine needs to know of it."""

    spec: NodeSpec
    node: Node | ContainerNode
    #: ``run`` of a node that holds no others.
    run: Callable[[VariablePool, NodeContext], NodeResult | FormRequest]
    retry: RetryPolicy
    recovery: Recovery
    #: Only the edges of the handle that the node returns are taken.
    is_branch: bool
    #: The node again if it holds others, else None.
    container: ContainerNode | None
    #: It opens a frame: it emits nothing and is not recorded.
    is_silent: bool
    #: The node again if its start tells more than others', else None.
    presented: Presented | None = None

    @classmethod
    def of(cls, spec: NodeSpec, node: Node | ContainerNode) -> GraphNode:
        """Raises ``GraphError`` for an error strategy that cannot work."""
        recovery = Recovery.of(spec)
        return cls(
            spec,
            node,
            _no_run if isinstance(node, ContainerNode) else node.run,
            RetryPolicy.of(spec.type, spec.data),
            recovery,
            is_branch=node.is_branch or recovery.strategy is Strategy.FAIL_BRANCH,
            container=node if isinstance(node, ContainerNode) else None,
            is_silent=spec.type in SILENT_TYPES,
            presented=node if isinstance(node, Presented) else None,
        )

    @property
    def id(self) -> str:
        return self.spec.id

    def started(self, event: NodeStarted) -> NodeStarted:
        """The event with what there is to tell besides."""
        told = self.presented
        return event if told is None else replace(event, extras=told.extras, agent_strategy=told.agent_strategy)


def _no_run(pool: VariablePool, context: NodeContext) -> NodeResult:
    raise AssertionError("a container is opened, not run")


@dataclass(frozen=True)
class Graph:
    nodes: Mapping[str, GraphNode]
    #: By source, in document order.
    outgoing: Mapping[str, Sequence[Edge]]
    #: The start node; where there are triggers instead, the first one.
    root: str
    _plans: dict[str, Plan] = field(default_factory=dict)
    _children: dict[str, Sequence[str]] = field(default_factory=dict)

    def plan(self, root: str) -> Plan:
        """The share of the frame that starts at ``root``; made once."""
        if root not in self._plans:
            self._plans[root] = plan(self, root)
        return self._plans[root]

    def entered_at(self, trigger_id: str | None) -> Graph:
        """The graph as a run has it that begins at the trigger that fired, or (None) at the start node.

        Other triggers, and what lies behind them only, are no part of that run (dsl.md section 6.5). Raises ``GraphError``.
        """
        if trigger_id is None:
            if self.nodes[self.root].spec.type in TRIGGER_TYPES:
                raise GraphError("The workflow has no start node: its runs begin when one of its triggers fires.")
            return self
        if trigger_id not in self.nodes or self.nodes[trigger_id].spec.type not in TRIGGER_TYPES:
            raise GraphError(f"The workflow has no trigger '{trigger_id}'.")
        return replace(self, root=trigger_id)

    def children(self, container_id: str) -> Sequence[str]:
        """Ids of the nodes inside a container, at any depth; made once."""
        if container_id not in self._children:
            direct = [node.id for node in self.nodes.values() if node.spec.container_id == container_id]
            self._children[container_id] = [*direct, *(name for child in direct for name in self.children(child))]
        return self._children[container_id]


@dataclass(frozen=True, slots=True)
class Plan:
    """One frame's share of the graph: what its root reaches."""

    root: str
    #: Incoming edges of each reachable node that start at a reachable node; the others are never decided and do not count.
    incoming: Mapping[str, int]
    #: Nodes that stand beside the root and that it does not reach: behind another entry of the graph only.
    elsewhere: frozenset[str]


def plan(graph: Graph, root: str) -> Plan:
    incoming, waiting = {root: 0}, [root]
    while waiting:
        for edge in graph.outgoing.get(waiting.pop(), ()):
            if edge.target not in incoming:
                incoming[edge.target] = 0
                waiting.append(edge.target)
            incoming[edge.target] += 1
    beside = (node.id for node in graph.nodes.values() if node.spec.container_id == graph.nodes[root].spec.container_id)
    return Plan(root, incoming, frozenset(name for name in beside if name not in incoming))


def compile_graph(workflow: Workflow, registry: NodeRegistry) -> Graph:
    """Parse every node and edge once. Raises ``GraphError`` with all findings."""
    findings: list[Finding] = []
    nodes: dict[str, GraphNode] = {}
    for spec in workflow.nodes:
        try:
            nodes[spec.id] = GraphNode.of(spec, registry.create(spec))
        except GraphError as error:
            findings.extend(error.findings)
    outer = [spec for spec in workflow.nodes if spec.container_id is None]
    starts = [spec.id for spec in outer if spec.type == START_TYPE]
    roots = starts or [spec.id for spec in outer if spec.type in TRIGGER_TYPES]
    if len(starts) > 1 or not roots:
        findings.append(Finding("invalid_start", f"the workflow needs exactly one start node, it has {len(starts)}"))
    if findings:
        raise GraphError(findings)
    return Graph(nodes, _outgoing(workflow, nodes), roots[0])


def _outgoing(workflow: Workflow, nodes: Mapping[str, GraphNode]) -> dict[str, list[Edge]]:
    outgoing: dict[str, list[Edge]] = {}
    for edge in workflow.edges:
        if edge.source in nodes and edge.target in nodes:
            outgoing.setdefault(edge.source, []).append(Edge(edge.source, edge.target, edge.handle))
    return outgoing
