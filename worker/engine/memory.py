"""In-memory twins of the ports: for tests, and for running a document in one process without a server."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from worker.engine.events import Event
from worker.engine.record import NodeRecord


class SystemClock:
    """The machine's clocks."""

    now = staticmethod(time.time)
    monotonic = staticmethod(time.monotonic)


@dataclass(slots=True)
class MemoryJournal:
    """Keeps what it is told; ``on_event`` sees each event as it happens."""

    on_event: Callable[[Event], None] | None = None
    events: list[Event] = field(default_factory=list)
    records: list[NodeRecord] = field(default_factory=list)
    #: How many records were in durable storage, had this been a database.
    durable: int = 0

    def emit(self, event: Event) -> None:
        self.events.append(event)
        if self.on_event is not None:
            self.on_event(event)

    def record(self, record: NodeRecord, *, durable: bool) -> None:
        self.records.append(record)
        if durable:
            self.durable = len(self.records)

    def publish_due(self, *, is_idle: bool) -> float:
        """Nothing waits here: events are kept as they are emitted."""
        return math.inf
