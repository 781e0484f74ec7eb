"""What earlier attempts at a run left behind, read from SQL and from the log (design.md invariants 3 and 4)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import takewhile
from typing import Any

from worker.bus.ports import EventLogPort
from worker.engine.checkpoint import CheckpointError
from worker.engine.record import NodeRecord
from worker.store.claims import Claim, load_records
from worker.store.events import read_events
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


def load_history(database: Database, log: EventLogPort, claim: Claim) -> History:
    """Also shuts earlier attempts out of the log.

    Raises ``redis.RedisError`` while the log cannot be read: what readers were told since the last commit is only there, and an
    attempt that did not know it would tell them something else. Raises ``RunFenced`` and ``StorageUnavailable``.
    """
    if claim.attempt == 1:
        return History()
    records, problem = _load_records(database, claim.run_id)
    with database.read() as session:
        stored = [frame for _, frame in read_events(session, claim.run_id)]
    entries = log.open(claim.run_id, claim.attempt, after=len(stored))
    # The log may have lost events in its middle: only what joins on was told and can be told again.
    following = takewhile(lambda pair: pair[0] == pair[1].number, enumerate(entries, len(stored) + 1))
    return History(records, [*stored, *(entry.frame for _, entry in following)], len(stored), problem)


def _load_records(database: Database, run_id: str) -> tuple[list[NodeRecord], CheckpointError | None]:
    try:
        with database.read() as session:
            return load_records(session, run_id), None
    except CheckpointError as error:
        return [], error


@dataclass(slots=True)
class Tally:
    """What records add up to (nodes.md sections 4.5 and 4.7), for runs that end without their engine."""

    outputs: dict[str, Any] = field(default_factory=dict)
    total_tokens: int = 0
    total_steps: int = 0
    exceptions_count: int = 0

    @classmethod
    def of(cls, records: Iterable[NodeRecord]) -> Tally:
        tally = cls()
        for record in records:
            tally.add(record)
        return tally

    def add(self, record: NodeRecord) -> None:
        if record.scope.path:
            # A container's own record carries what its rounds add to the run.
            return
        self.total_tokens += record.total_tokens
        self.total_steps += record.attempts
        self.exceptions_count += record.failures
        if record.node_type == "end":
            self.outputs.update(record.outputs)
