"""The steps of an agent as they are told: in ``agent_log`` events, in ``json`` and in the node's metadata."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from worker.engine.errors import NodeError
from worker.engine.events import AgentLog
from worker.engine.node import NodeContext

START, SUCCESS, ERROR = "start", "success", "error"


@dataclass(slots=True)
class Step:
    """A step in progress; what is put into ``data`` and ``metadata`` is told when it ends."""

    log: AgentLog
    data: dict[str, Any] = field(default_factory=dict)
    metadata: dict[str, Any] = field(default_factory=dict)


class Trace:
    """Numbers the steps of one execution, so that a second attempt at it gives them the same ids."""

    def __init__(self, node_id: str, context: NodeContext) -> None:
        self._node_id = node_id
        self._context = context
        self._clock = context.ports.clock
        #: The last word on each step, in order of their starts.
        self._logs: dict[str, AgentLog] = {}

    @contextmanager
    def step(self, label: str, parent: Step | None = None, data: Mapping[str, Any] | None = None) -> Iterator[Step]:
        """Tell that it starts and, when the block ends, how it went."""
        started = self._clock.now()
        log = AgentLog(self._next_id(), label, START, data or {}, {"started_at": started}, parent.log.id if parent else None)
        self._tell(log)
        step = Step(log)
        try:
            yield step
        except NodeError as error:
            self._end(step, ERROR, started, error.message)
            raise
        self._end(step, SUCCESS, started, None)

    def entries(self) -> list[dict[str, Any]]:
        """The steps as JSON objects."""
        return [entry_of(log, self._node_id) for log in self._logs.values()]

    def _end(self, step: Step, status: str, started: float, error: str | None) -> None:
        ended = self._clock.now()
        times = {"started_at": started, "finished_at": ended, "elapsed_time": ended - started}
        self._tell(replace(step.log, status=status, data=step.data or step.log.data, metadata={**times, **step.metadata}, error=error))

    def _tell(self, log: AgentLog) -> None:
        self._logs[log.id] = log
        self._context.log(log)

    def _next_id(self) -> str:
        digest = hashlib.sha256(f"{self._context.execution_id}\x1fstep\x1f{len(self._logs)}".encode()).digest()
        return str(uuid.UUID(bytes=digest[:16], version=4))


def entry_of(log: AgentLog, node_id: str) -> dict[str, Any]:
    return {
        "id": log.id,
        "parent_id": log.parent_id,
        "error": log.error,
        "status": log.status,
        "data": dict(log.data),
        "label": log.label,
        "metadata": dict(log.metadata),
        "node_id": node_id,
    }
