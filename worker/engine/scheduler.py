"""Which nodes are ready, skipped, done: decides, does nothing (nodes.md section 4.2).

Edges are undecided, then taken or skipped. A node is ready when all its incoming edges are decided and one of them is taken; when
all are skipped, it is skipped and so are its outgoing edges.
"""

from __future__ import annotations

from collections.abc import Sequence

from worker.engine.fact import fact
from worker.engine.graph import Edge, Graph, Plan


@fact
class Ready:
    node_id: str
    #: Source of the last edge taken to it; None for the root of a frame.
    predecessor_id: str | None


@fact
class Decision:
    """What the end of one node decides."""

    #: In the order of the document's edges, so that two runs of one graph schedule alike.
    ready: list[Ready]
    taken: Sequence[Edge]


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
        return node_id in self._skipped or node_id in self._plan.elsewhere

    def complete(self, node_id: str, handle: str) -> Decision:
        """A node ended: take its edges, or only those of ``handle`` if it branches; skips spread first."""
        ready: list[Ready] = []
        edges = self._graph.outgoing.get(node_id, ())
        if self._graph.nodes[node_id].is_branch:
            for edge in edges:
                if edge.handle != handle:
                    self._skip(edge, ready)
            edges = [edge for edge in edges if edge.handle == handle]
        for edge in edges:
            self._take(edge, ready)
        return Decision(ready, edges)

    def _take(self, edge: Edge, ready: list[Ready]) -> None:
        self._predecessor[edge.target] = edge.source
        self._undecided[edge.target] -= 1
        if not self._undecided[edge.target]:
            ready.append(Ready(edge.target, edge.source))

    def _skip(self, edge: Edge, ready: list[Ready]) -> None:
        # A loop instead of recursion: chains may be as long as the graph.
        waiting = [edge]
        while waiting:
            waiting.extend(self._skip_one(waiting.pop(), ready))

    def _skip_one(self, edge: Edge, ready: list[Ready]) -> Sequence[Edge]:
        """Answers the edges that are skipped because of it."""
        self._undecided[edge.target] -= 1
        if self._undecided[edge.target]:
            return ()
        if edge.target in self._predecessor:
            ready.append(Ready(edge.target, self._predecessor[edge.target]))
            return ()
        self._skipped.add(edge.target)
        return self._graph.outgoing.get(edge.target, ())
