"""Items of batches that end without a run, and batches that are removed: a short transaction at a time, each of which holds the row."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Row, delete, select, update
from sqlalchemy.orm import Session

from worker.store.batch_facts import BatchStatus, ItemStatus
from worker.store.batch_models import BATCH_ITEMS, BATCHES, IS_RUNNING, IS_WAITING
from worker.store.batch_settling import Progress, settle
from worker.store.batch_work import ITEMS, OF_BATCH, lock
from worker.store.batches import IS_GIVEN_UP
from worker.store.clock import now_s
from worker.store.models import RUNS

#: Items that one transaction ends, and those that one removes of a batch that was given up.
CLOSED_AT_A_TIME = 2000
PURGED_AT_A_TIME = 2000

#: How items that wait end, by what their batch becomes.
UNBEGUN: Mapping[BatchStatus, tuple[ItemStatus, str, str]] = {
    BatchStatus.CANCELLED: (ItemStatus.CANCELLED, "batch_cancelled", "The batch was cancelled before the item began."),
    BatchStatus.FAILED: (ItemStatus.CANCELLED, "batch_failed", "Too many other items failed before the item began."),
    BatchStatus.EXPIRED: (ItemStatus.EXPIRED, "batch_expired", "The completion window was over before the item began."),
}


def close(session: Session, batch_id: str) -> bool:
    """Have a batch end whose time is up, or that is ``cancelling``: end some of the items that wait. False: none waits any more."""
    batch = lock(session, batch_id)
    if batch is None:
        return False
    if settle(session, batch, Progress()) is not BatchStatus.CANCELLING:
        return False
    batch = lock(session, batch_id)
    assert batch is not None, "its row is locked"
    return end_waiting(session, batch, *UNBEGUN[BatchStatus(batch.closing_as)]) > 0


def end_waiting(session: Session, batch: Row[*tuple[Any, ...]], status: ItemStatus, code: str, text: str) -> int:
    """End some of the items of a batch that is held, without runs; answers how many."""
    next_ones = select(ITEMS.position).where(ITEMS.batch_id == batch.id, IS_WAITING)
    positions = session.scalars(next_ones.order_by(ITEMS.position).limit(CLOSED_AT_A_TIME)).all()
    if not positions:
        settle(session, batch, Progress())
        return 0
    # Positions are unique and ascend, so they make ends that do; the numbers between are left out.
    order = batch.last_ended - positions[0] + 1 + ITEMS.position
    end = {"status": status, "error_code": code, "error": text, "ended_order": order, "ended_at": now_s()}
    # All that wait between them are those: the batch is locked.
    chosen = (ITEMS.batch_id == batch.id, IS_WAITING, ITEMS.position.between(positions[0], positions[-1]))
    session.execute(update(BATCH_ITEMS).where(*chosen).values(**end))
    progress = Progress(ended=positions[-1] - positions[0] + 1)
    progress.move(ItemStatus.WAITING, status, len(positions))
    settle(session, batch, progress)
    return len(positions)


def runs_to_stop(session: Session, batch_id: str, limit: int = 50) -> list[str]:
    """Task ids of runs of a batch that have not ended and are not told to stop."""
    going = (RUNS.c.finished_at.is_(None), RUNS.c.cancel_requested_at.is_(None))
    query = select(RUNS.c.task_id).join(BATCH_ITEMS, ITEMS.run_id == RUNS.c.id)
    return list(session.scalars(query.where(OF_BATCH, IS_RUNNING, *going).limit(limit), {"batch": batch_id}))


def purge(session: Session, batch_id: str) -> bool:
    """Remove some items of a batch that was given up, and at last the batch. False: it is gone, or somebody else does so."""
    held = select(BATCHES.c.id).where(BATCHES.c.id == batch_id, IS_GIVEN_UP).with_for_update(skip_locked=True)
    if session.scalar(held) is None:
        return False
    some = select(ITEMS.position).where(ITEMS.batch_id == batch_id).limit(PURGED_AT_A_TIME)
    positions = session.scalars(some).all()
    if positions:
        session.execute(delete(BATCH_ITEMS).where(ITEMS.batch_id == batch_id, ITEMS.position.in_(positions)))
        return True
    session.execute(delete(BATCHES).where(BATCHES.c.id == batch_id))
    return False
