"""Which nodes are ready, skipped, done: decides, does nothing (nodes.md section 4.2).

Edges are undecided, then taken or skipped. A node is ready when all its incoming edges are decided and one of them is taken; when
all are skipped, it is skipped and so are its outgoing edges.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from worker.engine.graph import Edge, Graph, Plan


@dataclass(frozen=True, slots=True)
class Ready:
    node_id: str
    #: Source of the last edge taken to it; None for the root of a frame.
    predecessor_id: str | None


@dataclass(slots=True)
class Decision:
    """What the end of one node decides."""

    #: In the order of the document's edges, so that two runs of one graph schedule alike.
    ready: list[Ready] = field(default_factory=list)
    taken: list[Edge] = field(default_factory=list)


class Schedule:
    """The states of one frame's nodes and edges. Pure: no clock, no threads, no events."""

    def __init__(self, graph: Graph, plan: Plan) -> None:
        self._graph = graph
        self._plan = plan
        self._undecided = dict(plan.incoming)
        self._predecessor: dict[str, str] = {}
        self._skipped: set[str] = set()

    def start(self) -> Ready:
        return Ready(self._plan.root, None)

    def is_skipped(self, node_id: str) -> bool:
        """It does not run in this frame: all its edges were skipped, or it lies behind another entry of the graph only."""
        return node_id in self._skipped or self._is_elsewhere(node_id)

    def _is_elsewhere(self, node_id: str) -> bool:
        node, root = self._graph.nodes.get(node_id), self._graph.nodes[self._plan.root]
        return node is not None and node.spec.container_id == root.spec.container_id and node_id not in self._plan.incoming

    def complete(self, node_id: str, handle: str) -> Decision:
        """A node ended: take its edges, or only those of ``handle`` if it branches; skips spread first."""
        decision = Decision()
        edges = self._graph.outgoing.get(node_id, ())
        if self._graph.nodes[node_id].is_branch:
            for edge in edges:
                if edge.handle != handle:
                    self._skip(edge, decision)
            edges = [edge for edge in edges if edge.handle == handle]
        for edge in edges:
            self._take(edge, decision)
        return decision

    def _take(self, edge: Edge, decision: Decision) -> None:
        decision.taken.append(edge)
        self._predecessor[edge.target] = edge.source
        self._decide(edge, decision)

    def _skip(self, edge: Edge, decision: Decision) -> None:
        # A loop instead of recursion: chains may be as long as the graph.
        waiting = [edge]
        while waiting:
            waiting.extend(self._decide(waiting.pop(), decision))

    def _decide(self, edge: Edge, decision: Decision) -> Iterator[Edge] | Sequence[Edge]:
        """Count the edge as decided; answers the edges that are skipped because of it."""
        self._undecided[edge.target] -= 1
        if self._undecided[edge.target]:
            return ()
        if edge.target in self._predecessor:
            decision.ready.append(Ready(edge.target, self._predecessor[edge.target]))
            return ()
        self._skipped.add(edge.target)
        return self._graph.outgoing.get(edge.target, ())
