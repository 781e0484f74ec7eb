"""What earlier attempts at a run left behind, read from SQL and from the log (design.md invariants 3 and 4)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import takewhile
from types import MappingProxyType
from typing import Any

from worker.bus.ports import EventLogPort
from worker.engine.checkpoint import CheckpointError
from worker.engine.events import NodeRetried
from worker.engine.pausing import HeldForm
from worker.engine.record import NodeRecord
from worker.engine.start import NOT_TRIED, Tried
from worker.store.claims import Claim, load_records
from worker.store.events import read_events
from worker.store.forms import held_forms
from worker.store.session import Database


@dataclass(frozen=True, slots=True)
class History:
    """Empty for a first attempt."""

    #: In the order in which the nodes ended.
    records: Sequence[NodeRecord] = ()
    #: Every event that went out, from number 1 on.
    frames: Sequence[bytes] = ()
    #: How many of them SQL has.
    stored: int = 0
    #: Why the records could not be read, if they could not: the run cannot go on then, it can only be ended.
    problem: CheckpointError | None = None
    #: Forms that the run has asked for, by the id of the node execution.
    forms: Mapping[str, HeldForm] = field(default_factory=dict)


def load_history(database: Database, log: EventLogPort, claim: Claim) -> History:
    """Also shuts earlier attempts out of the log.

    Raises ``redis.RedisError`` while the log cannot be read: what readers were told since the last commit is only there, and an
    attempt that did not know it would tell them something else. Raises ``RunFenced`` and ``StorageUnavailable``.
    """
    if claim.attempt == 1:
        return History()
    records, problem = _load_records(database, claim.run_id)
    stored = database.fetch(lambda session: [frame for _, frame in read_events(session, claim.run_id)])
    forms = database.fetch(lambda session: held_forms(session, claim.run_id))
    entries = log.open(claim.run_id, claim.attempt, after=len(stored))
    # The log may have lost events in its middle: only what joins on was told and can be told again.
    following = takewhile(lambda pair: pair[0] == pair[1].number, enumerate(entries, len(stored) + 1))
    return History(records, [*stored, *(entry.frame for _, entry in following)], len(stored), problem, forms)


def _load_records(database: Database, run_id: str) -> tuple[list[NodeRecord], CheckpointError | None]:
    try:
        return database.fetch(lambda session: load_records(session, run_id)), None
    except CheckpointError as error:
        return [], error


@dataclass(slots=True)
class Tally:
    """What records add up to (nodes.md sections 4.5 and 4.7), for runs that end without their engine."""

    outputs: dict[str, Any] = field(default_factory=dict)
    #: Failed attempts that were told, of nodes that have not ended, by execution id.
    tried: dict[str, Tried] = field(default_factory=dict)
    #: Of nodes that ended.
    _tokens: int = 0
    _steps: int = 0
    _exceptions: int = 0

    @classmethod
    def of(cls, records: Iterable[NodeRecord], tried: Mapping[str, Tried] = MappingProxyType({})) -> Tally:
        tally = cls(tried=dict(tried))
        for record in records:
            tally.add(record)
        return tally

    @property
    def total_tokens(self) -> int:
        return self._tokens + sum(tried.spending.total_tokens for tried in self.tried.values())

    @property
    def total_steps(self) -> int:
        return self._steps + self._retries

    @property
    def exceptions_count(self) -> int:
        return self._exceptions + self._retries

    @property
    def _retries(self) -> int:
        return sum(tried.attempts for tried in self.tried.values() if tried.is_root)

    def retry(self, event: NodeRetried) -> None:
        tried = self.tried.get(event.execution_id, NOT_TRIED)
        self.tried[event.execution_id] = tried.after(event.spending, is_root=not event.scope.path)

    def add(self, record: NodeRecord) -> None:
        self.tried.pop(record.execution_id, None)
        if not record.is_container:
            self._tokens += record.total_tokens
        if record.scope.path:
            return
        self._steps += record.attempts
        self._exceptions += record.failures
        if record.node_type == "end":
            self.outputs.update(record.outputs)
