"""Every run with its events and node results, a batch at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from operator import attrgetter
from typing import Any

from sqlalchemy import Row, func, select
from sqlalchemy.orm import Session

from worker.doctor.evidence import Evidence, RunRow, StoredLog, StoredNodes
from worker.doctor.finding import Extent, Finding
from worker.doctor.run_checks import Reads, RunCheck
from worker.engine.events import RunStatus
from worker.store.clock import now_s
from worker.store.forms import IS_WAITING
from worker.store.identifiers import canonical_id
from worker.store.models import FORMS, PAYLOADS, RUNS, NodeExecution, RunEvents
from worker.store.session import Database

#: Runs of one batch: a snapshot of PostgreSQL is held for some 100 ms.
BATCH = 200

#: Rows with events or node results that are in memory at a time.
ROWS = 50

NEXT_FORM = (
    select(func.min(FORMS.c.expires_at))
    .where(FORMS.c.run_id == RUNS.c.id, IS_WAITING, RUNS.c.status == RunStatus.PAUSED)
    .correlate(RUNS)
    .scalar_subquery()
)

COLUMNS = (
    *(RUNS.c[name] for name in RunRow.__dataclass_fields__ if name in RUNS.c),
    select(func.count()).where(PAYLOADS.c.run_id == RUNS.c.id).correlate(RUNS).scalar_subquery().label("has_payload"),
    NEXT_FORM.label("form_expires_at"),
    now_s().label("now"),
)

NODE_COLUMNS = (
    NodeExecution.run_id,
    NodeExecution.id,
    NodeExecution.position,
    NodeExecution.attempt,
    NodeExecution.status,
    NodeExecution.record,
)


class Runs:
    """An ``Area``: its keys are run ids."""

    settle_s = 0.0

    def __init__(self, database: Database, extent: Extent, checks: Sequence[RunCheck]) -> None:
        self.checks = checks
        self._database = database
        self._extent = extent
        self._reads = frozenset(part for check in checks for part in check.reads)

    def batches(self) -> Iterator[Sequence[str]]:
        if self._extent.run_id is not None:
            yield [canonical_id(self._extent.run_id) or self._extent.run_id]
            return
        after = ""
        while batch := self._batch_after(after):
            yield batch
            after = batch[-1]

    def _batch_after(self, after: str) -> Sequence[str]:
        ids = select(RUNS.c.id).where(RUNS.c.id > after).order_by(RUNS.c.id).limit(BATCH)
        if self._extent.since is not None:
            ids = ids.where(RUNS.c.created_at >= self._extent.since)
        with self._database.read() as session:
            return session.scalars(ids).all()

    def look(self, keys: Sequence[str]) -> list[Finding]:
        # The caller may take its time with what is found: the snapshot is not held meanwhile.
        with self._database.snapshot() as session:
            return [
                check.finding(seen.run.id, text)
                for seen in self._evidence(session, keys)
                for check in self.checks
                for text in check.find(seen)
            ]

    def _evidence(self, session: Session, ids: Sequence[str]) -> Iterator[Evidence]:
        rows = session.execute(select(*COLUMNS).where(RUNS.c.id.in_(ids))).all()
        logs = dict(self._logs(session, ids)) if Reads.EVENTS in self._reads else {}
        nodes = dict(self._nodes(session, ids)) if Reads.NODES in self._reads else {}
        for row in rows:
            run = RunRow(**{**row._mapping, "has_payload": bool(row.has_payload)})
            yield Evidence(run, logs.get(run.id) or StoredLog(), nodes.get(run.id) or StoredNodes())

    def _logs(self, session: Session, ids: Sequence[str]) -> Iterator[tuple[str, StoredLog]]:
        columns = (RunEvents.run_id, RunEvents.first, RunEvents.last, RunEvents.body)
        stretches = select(*columns).where(RunEvents.run_id.in_(ids)).order_by(RunEvents.run_id, RunEvents.first)
        for run_id, rows in by_run(session.execute(stretches, execution_options={"yield_per": ROWS})):
            log = StoredLog()
            for row in rows:
                log.take(row.first, row.last, row.body)
            yield run_id, log

    def _nodes(self, session: Session, ids: Sequence[str]) -> Iterator[tuple[str, StoredNodes]]:
        results = select(*NODE_COLUMNS).where(NodeExecution.run_id.in_(ids)).order_by(NodeExecution.run_id, NodeExecution.position)
        for run_id, rows in by_run(session.execute(results, execution_options={"yield_per": ROWS})):
            nodes = StoredNodes()
            for row in rows:
                nodes.take(row)
            yield run_id, nodes


def by_run(rows: Iterable[Row[Any]]) -> Iterator[tuple[str, Iterator[Row[Any]]]]:
    return groupby(rows, attrgetter("run_id"))
