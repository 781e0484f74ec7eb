"""The batches that have not ended, and the row that everybody holds who changes one (worker/batches/dispatcher.py).

Who holds it changes a batch's items too, so that each change is counted once, whoever else dispatches, cancels or retries.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, bindparam, case, func, select
from sqlalchemy.orm import Session

from worker.engine.events import RunStatus
from worker.store.batch_facts import BatchStatus
from worker.store.batch_models import BATCH_ITEMS, BATCHES, IS_RUNNING
from worker.store.batches import IS_GIVEN_UP
from worker.store.clock import now_s
from worker.store.models import RUNS

ITEMS = BATCH_ITEMS.c
OF_BATCH = ITEMS.batch_id == bindparam("batch")


@dataclass(frozen=True, slots=True)
class OpenBatch:
    """A batch that has not ended, as one look shows it."""

    id: str
    app_id: str
    key_id: str | None
    status: BatchStatus
    priority: int
    created_at: float
    max_concurrency: int | None
    waiting: int
    #: Its completion window is over, or, while validating, its maker has given up.
    is_late: bool
    #: Runs that wait for a worker or have one.
    open_runs: int = 0
    #: Running items whose runs have ended.
    uncollected: int = 0


def has_open_batches(session: Session) -> bool:
    return session.execute(select(BATCHES.c.id).where(BATCHES.c.ended_at.is_(None)).limit(1)).one_or_none() is not None


def open_batches(session: Session) -> list[OpenBatch]:
    """Batches that have not ended, the complete ones and those that were given up."""
    tallies = {row.batch_id: row for row in session.execute(TALLIES)}
    return [_open_batch(row, tallies.get(row.id)) for row in session.execute(OPEN_BATCHES)]


def _open_batch(row: Row[*tuple[Any, ...]], tally: Row[*tuple[Any, ...]] | None) -> OpenBatch:
    facts = {**row._mapping, "status": BatchStatus(row.status), "is_late": bool(row.is_late)}
    return OpenBatch(**facts) if tally is None else OpenBatch(**facts, open_runs=tally.open_runs, uncollected=tally.uncollected)


OPEN_BATCHES = select(
    BATCHES.c.id,
    BATCHES.c.app_id,
    BATCHES.c.key_id,
    BATCHES.c.status,
    BATCHES.c.priority,
    BATCHES.c.created_at,
    BATCHES.c.max_concurrency,
    BATCHES.c.waiting,
    (func.coalesce(BATCHES.c.validating_until, BATCHES.c.expires_at, now_s() + 1) < now_s()).label("is_late"),
).where(BATCHES.c.ended_at.is_(None), (BATCHES.c.status != BatchStatus.VALIDATING) | IS_GIVEN_UP)

#: Also of a run that is not there any more.
IS_OVER = RUNS.c.id.is_(None) | RUNS.c.finished_at.is_not(None)
HAS_PLACE = RUNS.c.finished_at.is_(None) & RUNS.c.status.in_([RunStatus.SCHEDULED, RunStatus.RUNNING])

TALLIES = (
    select(
        ITEMS.batch_id,
        func.sum(case((HAS_PLACE, 1), else_=0)).label("open_runs"),
        func.sum(case((IS_OVER, 1), else_=0)).label("uncollected"),
    )
    .outerjoin(RUNS, RUNS.c.id == ITEMS.run_id)
    .where(IS_RUNNING)
    .group_by(ITEMS.batch_id)
)


def lock(session: Session, batch_id: str) -> Row[*tuple[Any, ...]] | None:
    """The row of a batch that nobody else changes, nor its items, until the transaction ends; None: it is gone or has ended."""
    return session.execute(LOCK, {"batch": batch_id}).one_or_none()


LOCK = select(BATCHES).where(BATCHES.c.id == bindparam("batch"), BATCHES.c.ended_at.is_(None)).with_for_update()
