"""Streams the outputs of End and Answer nodes in template order while nodes still run (nodes.md section 4.8).

A response node is a list of segments: text and values. It becomes active when a path from the start reaches it over edges that
cannot be skipped any more; one active response is told at a time, the others queue. Values go out as soon as they exist, streamed
values chunk by chunk.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from worker.engine.events import TextChunk
from worker.engine.graph import Edge, Graph, GraphNode
from worker.engine.scheduler import Schedule
from worker.engine.variables import MISSING, Selector, VariablePool, markdown_of

#: A text, or the selector of a value.
Segment = str | Selector


@runtime_checkable
class ResponseNode(Protocol):
    """What a node class offers whose outputs are streamed (end, answer)."""

    #: In template order.
    segments: Sequence[Segment]


@dataclass(slots=True)
class _Stream:
    """Chunks of one streamed value; kept, since the response that wants them may not be told yet."""

    chunks: list[str] = field(default_factory=list)
    is_closed: bool = False


@dataclass(slots=True)
class _Told:
    """How far a response has been told."""

    node_id: str
    segments: Sequence[Segment]
    segment: int = 0
    #: Chunks of the current segment's stream that went out.
    chunk: int = 0


@dataclass(frozen=True, slots=True)
class ResponsePlan:
    """What of a graph matters to streaming; computed once per graph."""

    #: In document order.
    responses: Mapping[str, Sequence[Segment]]
    #: Sources of edges that must be taken before anything behind them is certain.
    blocking: frozenset[str]
    _stretches: dict[str, frozenset[str]] = field(default_factory=dict)

    def stretch(self, node_id: str, graph: Graph) -> frozenset[str]:
        """Everything that cannot be skipped once ``node_id`` is certain, itself included; found once."""
        if node_id not in self._stretches:
            self._stretches[node_id] = self._find_stretch(node_id, graph)
        return self._stretches[node_id]

    def _find_stretch(self, node_id: str, graph: Graph) -> frozenset[str]:
        found, waiting = {node_id}, [node_id]
        while waiting:
            here = waiting.pop()
            onward = () if here in self.blocking else graph.outgoing.get(here, ())
            fresh = {edge.target for edge in onward} - found
            found |= fresh
            waiting.extend(fresh)
        return frozenset(found)

    @classmethod
    def of(cls, graph: Graph) -> ResponsePlan:
        responses = {
            node_id: node.node.segments
            for node_id, node in graph.nodes.items()
            if node.spec.container_id is None and isinstance(node.node, ResponseNode)
        }
        written = {segment[:2] for segments in responses.values() for segment in segments if not isinstance(segment, str)}
        return cls(responses, frozenset(node_id for node_id, node in graph.nodes.items() if _blocks(node, responses, written)))


def _blocks(node: GraphNode, responses: Mapping[str, Sequence[Segment]], wanted: set[tuple[str, ...]]) -> bool:
    """Branches, containers and responses block; so does an assigner that writes a value which a response tells."""
    writes = getattr(node.node, "written_selectors", ())
    return node.is_branch or node.container is not None or node.id in responses or any(tuple(selector[:2]) in wanted for selector in writes)


class ResponseStream:
    """The streaming position of one run. Not thread-safe: called by the run's loop only."""

    def __init__(self, graph: Graph, plan: ResponsePlan, pool: VariablePool, schedule: Schedule, emit: Callable[[TextChunk], None]) -> None:
        self._graph = graph
        self._plan = plan
        self._pool = pool
        self._schedule = schedule
        self._emit = emit
        self._reached: set[str] = set()
        self._streams: dict[Selector, _Stream] = {}
        self._waiting: deque[_Told] = deque()
        self._current: _Told | None = None
        if plan.responses:
            self._reach(graph.root)

    def on_chunk(self, selector: Selector, text: str, is_final: bool) -> None:
        """A producer streamed a piece of ``(node_id, name)``."""
        stream = self._streams.setdefault(selector, _Stream())
        stream.chunks.append(text)
        stream.is_closed = is_final
        self.advance()

    def refers_to(self, selectors: Iterable[Selector]) -> bool:
        """Whether a response that is certain to come tells one of these values."""
        wanted = set(selectors)
        told = (self._plan.responses[name] for name in self._reached if name in self._plan.responses)
        return any(not isinstance(segment, str) and segment[:2] in wanted for segments in told for segment in segments)

    def on_edges(self, taken: Iterable[Edge]) -> None:
        """Edges were taken: responses behind them may have become certain."""
        if not self._plan.responses:
            return
        for edge in taken:
            if edge.source in self._reached and edge.target not in self._reached:
                self._reach(edge.target)
        self.advance()

    def advance(self) -> None:
        """Tell what can be told."""
        while self._current is not None or self._waiting:
            if self._current is None:
                self._current = self._waiting.popleft()
            if not self._tell(self._current):
                return
            self._current = None

    def _reach(self, node_id: str) -> None:
        """``node_id`` is certain, and what lies behind it; document order among responses found together."""
        found = self._plan.stretch(node_id, self._graph) - self._reached
        self._reached |= found
        if not found.isdisjoint(self._plan.responses):
            self._waiting.extend(_Told(name, segments) for name, segments in self._plan.responses.items() if name in found)

    def _tell(self, told: _Told) -> bool:
        """Advance one response; True when its last segment is out."""
        while told.segment < len(told.segments):
            segment = told.segments[told.segment]
            if isinstance(segment, str):
                self._emit(TextChunk(segment, (told.node_id, "answer")))
            elif not self._tell_value(told, segment):
                return False
            told.segment, told.chunk = told.segment + 1, 0
        return True

    def _tell_value(self, told: _Told, selector: Selector) -> bool:
        """True when nothing more of this value will come."""
        if self._schedule.is_skipped(selector[0]):
            return True
        stream = self._streams.get(selector)
        if stream is not None:
            for text in stream.chunks[told.chunk :]:
                self._emit(TextChunk(text, selector))
            told.chunk = len(stream.chunks)
            return stream.is_closed
        value = self._pool.get(selector)
        if value is MISSING:
            return False
        self._emit(TextChunk(markdown_of(value, self._pool.file_url), selector))
        return True
