"""What clients do to a batch that is under way: pause, resume, cancel, try again."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Row, bindparam, func, select, update
from sqlalchemy.orm import Session

from worker.store.batch_facts import COUNT_COLUMNS, FINAL, RETRIABLE, BatchFacts, BatchStatus, ItemStatus, load_batch
from worker.store.batch_models import BATCH_ITEMS, BATCHES
from worker.store.clock import now_s
from worker.store.errors import BatchConflict, NotFound
from worker.store.identifiers import canonical_id
from worker.store.session import Database

#: Items that one transaction of a retry brings back.
RETRIED_AT_A_TIME = 2000

OPEN = (BatchStatus.IN_PROGRESS, BatchStatus.PAUSED)


def pause_batch(session: Session, app_id: str, batch_id: str) -> BatchFacts:
    """No more items begin; those that run come to their ends. Paused already: nothing changes.

    This and the others raise ``NotFound`` for a batch that the app does not have, ``BatchConflict`` where its status does not allow it.
    """
    batch = lock_batch(session, app_id, batch_id)
    _require(batch, OPEN, "paused")
    return _change(session, batch, status=BatchStatus.PAUSED)


def resume_batch(session: Session, app_id: str, batch_id: str) -> BatchFacts:
    """Items begin again. In progress already: nothing changes."""
    batch = lock_batch(session, app_id, batch_id)
    _require(batch, OPEN, "resumed")
    return _change(session, batch, status=BatchStatus.IN_PROGRESS)


def cancel_batch(session: Session, app_id: str, batch_id: str) -> BatchFacts:
    """No item begins any more: from the commit on. The dispatcher notes what waits as cancelled and stops what runs, within seconds.

    A batch that is being cancelled, or was, stays as it is.
    """
    batch = lock_batch(session, app_id, batch_id)
    if batch.status in (BatchStatus.CANCELLING, BatchStatus.CANCELLED):
        return _change(session, batch)
    _require(batch, OPEN, "cancelled")
    return _change(session, batch, status=BatchStatus.CANCELLING, closing_as=BatchStatus.CANCELLED)


def retry_batch(database: Database, app_id: str, batch_id: str) -> tuple[BatchFacts, int]:
    """Have the items that failed, were stopped, cancelled or expired wait again; answers the batch and how many these are.

    In transactions of ``RETRIED_AT_A_TIME`` items each; if the caller dies between two, it can be asked for again. A batch that has
    ended is in progress again, with its whole completion window before it; one with nothing to try again stays as it is.
    """
    position = number = 0
    while True:
        with database.begin() as session:
            batch = lock_batch(session, app_id, batch_id)
            _require(batch, (*OPEN, *FINAL), "tried again")
            positions = _retriable_after(session, batch.id, position)
            if not positions:
                return _change(session, batch), number
            _bring_back(session, batch, positions)
        position, number = positions[-1], number + len(positions)


def lock_batch(session: Session, app_id: str, batch_id: str) -> Row[*tuple[Any, ...]]:
    """The row of a batch that nobody else changes, nor its items, until the transaction ends. Raises ``NotFound``."""
    named = (BATCHES.c.id == canonical_id(batch_id), BATCHES.c.app_id == app_id, BATCHES.c.status != BatchStatus.VALIDATING)
    found = session.execute(select(BATCHES).where(*named).with_for_update()).one_or_none()
    if found is None:
        raise NotFound("Batch not found.")
    return found


def _require(batch: Row[*tuple[Any, ...]], statuses: tuple[BatchStatus, ...], what: str) -> None:
    if batch.status not in statuses:
        raise BatchConflict(f"The batch is {batch.status} and cannot be {what}.")


def _change(session: Session, batch: Row[*tuple[Any, ...]], **values: Any) -> BatchFacts:
    if values:
        session.execute(update(BATCHES).where(BATCHES.c.id == batch.id).values(**values))
    found = load_batch(session, batch.id)
    assert found is not None, "its row is locked"
    return found


def _retriable_after(session: Session, batch_id: str, position: int) -> list[int]:
    items = BATCH_ITEMS.c
    query = select(items.position).where(items.batch_id == batch_id, items.position > position, items.status.in_(RETRIABLE))
    return list(session.scalars(query.order_by(items.position).limit(RETRIED_AT_A_TIME)))


def _bring_back(session: Session, batch: Row[*tuple[Any, ...]], positions: list[int]) -> None:
    items = BATCH_ITEMS.c
    chosen = (items.batch_id == batch.id, items.position.in_(positions))
    numbers: dict[str, int] = {
        status: number for status, number in session.execute(select(items.status, func.count()).where(*chosen).group_by(items.status))
    }
    again = {"status": ItemStatus.WAITING, "run_id": None, "ended_order": None, "ended_at": None, "error_code": None, "error": None}
    session.execute(update(BATCH_ITEMS).where(*chosen).values(**again))
    changes: dict[str, Any] = {COUNT_COLUMNS[ItemStatus(status)]: -number for status, number in numbers.items()}
    changes = {name: BATCHES.c[name] + bindparam(f"by_{name}", number) for name, number in changes.items()}
    if batch.status in FINAL:
        changes |= REOPENED
    session.execute(update(BATCHES).where(BATCHES.c.id == batch.id).values(waiting=BATCHES.c.waiting + len(positions), **changes))


REOPENED = {
    "status": BatchStatus.IN_PROGRESS,
    "closing_as": None,
    "error": None,
    "ended_at": None,
    "expires_at": now_s() + BATCHES.c.completion_window_s,
}
