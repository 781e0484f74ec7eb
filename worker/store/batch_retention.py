"""Removes batches because of their age, after their runs, in steps as ``retention.py`` has them."""

from __future__ import annotations

from sqlalchemy import ColumnElement, exists, func, select, update
from sqlalchemy.orm import Session

from worker.store.batch_closing import purge
from worker.store.batch_models import BATCHES
from worker.store.batches import GIVEN_UP, IS_GIVEN_UP, KEPT_S
from worker.store.clock import now_s
from worker.store.models import WEBHOOK_DELIVERIES

#: A message about the batch is still to be sent, or a client may still ask for it by its key.
IS_AWAITED = exists().where(WEBHOOK_DELIVERIES.c.batch_id == BATCHES.c.id, WEBHOOK_DELIVERIES.c.due_at.is_not(None)) | (
    BATCHES.c.idempotency_key.is_not(None) & (BATCHES.c.created_at > now_s() - KEPT_S)
)


def delete_batches(session: Session, age_s: float) -> int | None:
    """Take a step: have a batch that ended so long ago given up, so that nobody sees it any more; the next ones remove it and its items.

    Answers how many batches were given up. None: nothing is left to do.
    """
    given_up = session.scalar(select(BATCHES.c.id).where(IS_GIVEN_UP).limit(1).with_for_update(skip_locked=True))
    if given_up is not None:
        purge(session, given_up)
        return 0
    oldest = select(BATCHES.c.id).where(*_is_old(age_s)).order_by(BATCHES.c.ended_at).limit(1)
    batch_id = session.scalar(oldest.with_for_update(skip_locked=True))
    if batch_id is None:
        return None
    session.execute(update(BATCHES).where(BATCHES.c.id == batch_id).values(**GIVEN_UP))
    return 1


def count_old_batches(session: Session, age_s: float) -> int:
    """Batches that ``delete_batches`` would remove, one step after the other."""
    return session.execute(select(func.count()).select_from(BATCHES).where(*_is_old(age_s))).scalar_one()


def _is_old(age_s: float) -> tuple[ColumnElement[bool], ...]:
    return BATCHES.c.ended_at < now_s() - age_s, ~IS_AWAITED
