"""What is known of one run when its checks are made: its row, and what its events and node results add up to."""

from __future__ import annotations

import re
import zlib
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import orjson

from worker.engine.checkpoint import load_record
from worker.engine.errors import EngineError
from worker.engine.events import RunStatus
from worker.history import Tally
from worker.store.encoding import loads
from worker.store.events import unpack

#: How every frame begins (worker/bus/wire.py).
KIND = re.compile(rb'\{"event":"([a-z_]+)"')

#: What is looked into: above all the events that say how a run ended, ``error`` if it could not be executed (api-contract.md section 4.7).
LEARNED = frozenset({"workflow_finished", "error", "node_started", "node_finished"})

#: What both the last event and the row say of an end.
SHARED_FACTS = ("status", "error", "total_tokens", "total_steps", "exceptions_count")

#: Events that may follow the end (api-contract.md section 7).
SPEECH = frozenset({"tts_message", "tts_message_end"})


@dataclass(slots=True)
class StoredLog:
    """The events of a run in SQL, taken in stretch by stretch; none is kept."""

    #: What is wrong with their order and their form.
    problems: list[str] = field(default_factory=list)
    #: Number of the last one.
    last: int = 0
    #: Kind of the first one.
    opening: str = ""
    #: Ends of the run that are told: number of the event, and what it says of ``SHARED_FACTS``.
    endings: list[tuple[int, dict[str, Any]]] = field(default_factory=list)
    #: Kinds of events, other than speech, behind the first of them.
    afterwards: list[str] = field(default_factory=list)
    #: Node executions that were told to start, and to end: how often.
    started: Counter[str] = field(default_factory=Counter)
    finished: Counter[str] = field(default_factory=Counter)
    #: Statuses that they were told to end with.
    statuses: dict[str, str] = field(default_factory=dict)

    def take(self, first: int, last: int, body: bytes) -> None:
        """The next stretch, in order of ``first``."""
        if first != self.last + 1:
            self.problems.append(f"event {first} follows event {self.last}")
        self.last = last
        try:
            frames = unpack(body)
        except zlib.error:
            self.problems.append(f"the events {first} to {last} cannot be unpacked")
            return
        if len(frames) != last - first + 1:
            self.problems.append(f"there are {len(frames)} events where {first} to {last} should be")
        for number, frame in enumerate(frames, first):
            self._learn(number, frame)

    def _learn(self, number: int, frame: bytes) -> None:
        found = KIND.match(frame)
        if found is None:
            self.problems.append(f"event {number} is none")
            return
        kind = found[1].decode()
        self.opening = self.opening or kind
        if self.endings and kind not in SPEECH:
            self.afterwards.append(kind)
        if kind in LEARNED:
            try:
                self._note(number, kind, orjson.loads(frame))
            except (orjson.JSONDecodeError, KeyError, TypeError):
                self.problems.append(f"event {number}, {kind}, cannot be read")

    def _note(self, number: int, kind: str, event: dict[str, Any]) -> None:
        data = event if kind == "error" else event["data"]
        if kind == "error":
            self.endings.append((number, {"status": RunStatus.FAILED, "error": data["message"]}))
        elif kind == "workflow_finished":
            self.endings.append((number, {name: data[name] for name in SHARED_FACTS}))
        elif kind == "node_started":
            self.started[data["id"]] += 1
        else:
            self.finished[data["id"]] += 1
            self.statuses[data["id"]] = data["status"]


@dataclass(slots=True)
class StoredNodes:
    """The node results of a run in SQL, taken in row by row; of each one its status is kept."""

    #: What is wrong with their order.
    problems: list[str] = field(default_factory=list)
    #: Position and attempt of the last one.
    last: int = 0
    attempt: int = 0
    statuses: dict[str, str] = field(default_factory=dict)
    #: Ids of those that stand in no container and are none.
    plain: set[str] = field(default_factory=set)
    #: Results that this release cannot read.
    unreadable: int = 0
    #: There are containers, of which some rounds may not count.
    has_containers: bool = False
    tally: Tally = field(default_factory=Tally)

    def take(self, row: Any) -> None:
        """The next row, in order of position."""
        if row.position != self.last + 1:
            self.problems.append(f"node result {row.position} follows {self.last}")
        if row.attempt < self.attempt:
            self.problems.append(f"node result {row.position} is of attempt {row.attempt}, the one before of attempt {self.attempt}")
        self.last, self.attempt = row.position, row.attempt
        self.statuses[row.id] = row.status
        self._add(row)

    def _add(self, row: Any) -> None:
        try:
            record = load_record(loads(row.record))
        except (EngineError, ValueError, KeyError, TypeError):
            self.unreadable += 1
            return
        self.tally.add(record)
        # Outputs are not needed, and may be large.
        self.tally.outputs = {}
        if record.is_container or record.scope.path:
            self.has_containers = True
        else:
            self.plain.add(row.id)


@dataclass(frozen=True, slots=True)
class RunRow:
    """Columns of ``runs`` that the checks look at."""

    id: str
    status: str
    error: str | None
    total_tokens: int
    total_steps: int
    exceptions_count: int
    created_at: float
    started_at: float | None
    finished_at: float | None
    attempt: int
    lost_attempts: int
    lease_owner: str | None
    lease_until: float | None
    deadline_at: float | None
    last_event: int
    paused_at: float | None
    resumed_from: str | None
    #: Its inputs and outputs are there.
    has_payload: bool
    #: When the next of its forms that wait expires; None: no form waits.
    form_expires_at: float | None
    #: The time, by the clock that all others above come from.
    now: float


@dataclass(frozen=True, slots=True)
class Evidence:
    """One run, as one snapshot of the database shows it. What the checks at hand do not need is not read, and empty here."""

    run: RunRow
    log: StoredLog
    nodes: StoredNodes

    @property
    def state(self) -> RunStatus | None:
        """None: there is no such status."""
        return RunStatus(self.run.status) if self.run.status in set(RunStatus) else None

    @property
    def is_final(self) -> bool:
        return self.state is not None and self.state.is_final

    @property
    def is_success(self) -> bool:
        return self.state in (RunStatus.SUCCEEDED, RunStatus.PARTIAL_SUCCEEDED)

    @property
    def is_bare(self) -> bool:
        """Events and node results of the run were removed because of their age (worker/store/retention.py)."""
        return self.is_final and not self.run.last_event
