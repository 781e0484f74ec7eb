"""What has become of the runs of batches: a short transaction at a time, each of which holds the batch's row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from sqlalchemy import Float, Row, bindparam, func, select, update
from sqlalchemy.orm import Session

from worker.engine.checkpoint import load_record
from worker.engine.spending import NOTHING_SPENT, Spending
from worker.store.batch_facts import ItemStatus
from worker.store.batch_models import BATCH_ITEMS, IS_RUNNING
from worker.store.batch_settling import Progress, settle
from worker.store.batch_work import IS_OVER, ITEMS, OF_BATCH, lock
from worker.store.clock import now_s
from worker.store.encoding import loads
from worker.store.models import RUNS, NodeExecution

#: Items whose runs have ended that one transaction notes.
COLLECTED_AT_A_TIME = 200


@dataclass(frozen=True, slots=True)
class EndedRun:
    """When a run of a batch was stored, claimed and ended; by the clocks of the database and of its worker."""

    batch_id: str
    run_id: str
    created_at: float
    #: None: it never was.
    started_at: float | None
    elapsed_s: float


def collect(session: Session, batch_id: str, limit: int = COLLECTED_AT_A_TIME) -> list[EndedRun]:
    """Note what has become of items whose runs have ended, and of the batch. Safe to repeat."""
    batch = lock(session, batch_id)
    rows = [] if batch is None else session.execute(COLLECTABLE, {"batch": batch_id, "limit": limit}).all()
    if batch is None or not rows:
        return []
    progress = Progress(ended=len(rows))
    session.execute(END_ITEM, [_end_of(row, order) for order, row in enumerate(rows, batch.last_ended + 1)])
    for row in rows:
        progress.move(ItemStatus.RUNNING, _status_of(row))
    progress.values = _spent(session, batch, rows)
    settle(session, batch, progress)
    return [EndedRun(batch_id, row.run_id, row.created_at, row.started_at, row.elapsed_time) for row in rows if row.found is not None]


COLLECTABLE = (
    select(
        ITEMS.batch_id,
        ITEMS.position,
        ITEMS.run_id,
        RUNS.c.id.label("found"),
        RUNS.c.status,
        RUNS.c.error,
        RUNS.c.total_tokens,
        RUNS.c.created_at,
        RUNS.c.started_at,
        RUNS.c.finished_at,
        RUNS.c.elapsed_time,
    )
    .outerjoin(RUNS, RUNS.c.id == ITEMS.run_id)
    .where(OF_BATCH, IS_RUNNING, IS_OVER)
    .limit(bindparam("limit"))
)

END_ITEM = (
    update(BATCH_ITEMS)
    .where(OF_BATCH, ITEMS.position == bindparam("at"))
    .values(
        status=bindparam("new_status"),
        error_code=bindparam("new_code"),
        error=bindparam("new_error"),
        ended_order=bindparam("order"),
        ended_at=func.coalesce(bindparam("end", type_=Float), now_s()),
    )
)

#: What is said of items whose runs ended so, if the run itself says nothing.
CODES: Mapping[ItemStatus, tuple[str, str]] = {
    ItemStatus.FAILED: ("run_failed", "The run failed."),
    ItemStatus.STOPPED: ("run_stopped", "The run was stopped."),
}
REMOVED = ("run_removed", "The run was removed before its end was noted.")


def _status_of(row: Row[*tuple[Any, ...]]) -> ItemStatus:
    return ItemStatus.FAILED if row.found is None else ItemStatus(row.status)


def _end_of(row: Row[*tuple[Any, ...]], order: int) -> dict[str, Any]:
    status = _status_of(row)
    code, text = REMOVED if row.found is None else CODES.get(status, (None, None))
    return {
        "batch": row.batch_id,
        "at": row.position,
        "new_status": status,
        "new_code": code,
        "new_error": row.error or text,
        "order": order,
        "end": row.finished_at,
    }


def _spent(session: Session, batch: Row[*tuple[Any, ...]], rows: Sequence[Row[*tuple[Any, ...]]]) -> dict[str, Any]:
    """What the usage of the batch becomes."""
    asked = [row for row in rows if row.total_tokens]
    if not asked:
        return {}
    spending = spending_of(session, [row.run_id for row in asked])
    return {
        "total_tokens": batch.total_tokens + sum(row.total_tokens for row in asked),
        "total_price": format(Decimal(batch.total_price) + spending.total_price, "f"),
        "currency": spending.currency or batch.currency,
    }


def spending_of(session: Session, run_ids: Sequence[str]) -> Spending:
    """What the nodes of these runs have used and cost; containers tell it of what is in them."""
    records = select(NodeExecution.record).where(NodeExecution.run_id.in_(run_ids), NodeExecution.total_tokens > 0)
    spent = NOTHING_SPENT
    for text in session.scalars(records, execution_options={"yield_per": 50}):
        record = load_record(loads(text))
        spent = spent if record.is_container else spent + record.spending
    return spent
