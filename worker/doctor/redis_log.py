"""The event logs that Redis keeps agree with SQL, which is the truth about them (design.md invariant 6)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

import redis
from sqlalchemy import select

from worker.bus.events import PAGE, EventLog
from worker.bus.ports import LogEntry
from worker.config import Config
from worker.doctor.finding import Check, Extent, Finding
from worker.engine.events import FINAL_STATUSES
from worker.store.events import read_events
from worker.store.identifiers import canonical_id
from worker.store.models import RUNS
from worker.store.session import Database

LOG = Check(
    "redis-log",
    "Every event that Redis keeps is the one that SQL has under its number; only a run that goes on may have newer ones there.",
    "Readers may have been told something else than what is stored. Delete the Redis keys of this run: SQL serves its readers then.",
)

#: Runs of one batch.
BATCH = 100

#: Seconds that an event may take on its way to both.
SETTLE_S = 1.0


@dataclass(frozen=True, slots=True)
class Stored:
    """What SQL says, read after Redis was."""

    is_final: bool
    attempt: int
    last_event: int
    #: Frames by number, of the part in question.
    frames: Mapping[int, bytes]


class Logs:
    """An ``Area``: its keys are ids of runs that have a log in Redis."""

    checks = (LOG,)
    settle_s = SETTLE_S

    def __init__(self, database: Database, client: redis.Redis, config: Config, extent: Extent) -> None:
        self._database = database
        self._log = EventLog(client, config)
        self._extent = extent

    def batches(self) -> Iterator[Sequence[str]]:
        if self._extent.run_id is not None:
            yield [canonical_id(self._extent.run_id) or self._extent.run_id]
            return
        ids = self._log.run_ids()
        while batch := list(islice(ids, BATCH)):
            yield batch

    def look(self, keys: Sequence[str]) -> list[Finding]:
        return [LOG.finding(run_id, text) for run_id in dict.fromkeys(keys) for text in self._problems(run_id)]

    def _problems(self, run_id: str) -> Iterator[str]:
        """The first one: what follows it is a consequence."""
        return islice(self._disagreements(run_id), 1)

    def _disagreements(self, run_id: str) -> Iterator[str]:
        holder, last = self._log.holder(run_id), 0
        while page := self._log.read(run_id, last, PAGE):
            stored = self._stored(run_id, page)
            # The log of a run that was deleted ends by itself.
            if stored is None or (stored.is_final and not stored.last_event):
                return
            yield from differences(page, last, stored)
            if holder > stored.attempt:
                yield f"belongs to attempt {holder} in Redis, and had only {stored.attempt}"
            last = page[-1].number

    def _stored(self, run_id: str, page: Sequence[LogEntry]) -> Stored | None:
        first, last = page[0].number, page[-1].number
        with self._database.snapshot() as session:
            row = session.execute(select(RUNS.c.status, RUNS.c.attempt, RUNS.c.last_event).where(RUNS.c.id == run_id)).one_or_none()
            if row is None:
                return None
            events = read_events(session, run_id, first - 1, last - first + 1)
        return Stored(row.status in FINAL_STATUSES, row.attempt, row.last_event, dict(events))


def differences(page: Sequence[LogEntry], before: int, stored: Stored) -> Iterator[str]:
    """``before``: number of the entry before the page. SQL fills the gaps of a log, which comes back empty after a loss."""
    for entry in page:
        if entry.number > max(before, stored.last_event) + 1:
            yield f"has event {entry.number} in Redis, and event {entry.number - 1} nowhere"
        if entry.number in stored.frames and stored.frames[entry.number] != entry.frame:
            yield f"has another event {entry.number} in Redis than in SQL"
        if stored.is_final and entry.number > stored.last_event:
            yield f"has event {entry.number} in Redis, and ended with event {stored.last_event}"
        if entry.is_terminal and not (stored.is_final and entry.number == stored.last_event):
            yield f"ends with event {entry.number} in Redis, but not in SQL"
        before = entry.number
