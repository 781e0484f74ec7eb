"""The workers that are up while there are batches: together they say how many runs batches may have at a time."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Float, bindparam, delete, func, select
from sqlalchemy.orm import Session

from worker.store.batch_models import BATCH_WORKERS, BatchWorker
from worker.store.clock import now_s
from worker.store.upsert import insert_or


@dataclass(frozen=True, slots=True)
class Workforce:
    """What the workers that have told of themselves lately add up to."""

    workers: int = 0
    #: Runs that they may execute at a time.
    slots: int = 0


def announce(session: Session, owner: str, slots: int, for_s: float) -> None:
    """A worker is up, with so many slots, and counts as such for so many seconds."""
    row = {"slots": slots, "until": now_s() + bindparam("for_s", for_s, type_=Float)}
    insert = insert_or(session, BatchWorker).values(owner=owner, **row)
    session.execute(insert.on_conflict_do_update(index_elements=["owner"], set_=row))


def resign(session: Session, owner: str) -> None:
    """A worker is leaving."""
    session.execute(delete(BATCH_WORKERS).where(BATCH_WORKERS.c.owner == owner))


def forget_gone(session: Session) -> None:
    """Remove the workers that have not told of themselves for long."""
    session.execute(delete(BATCH_WORKERS).where(BATCH_WORKERS.c.until < now_s() - 60.0))


def workforce(session: Session) -> Workforce:
    columns = BATCH_WORKERS.c
    query = select(func.count(), func.coalesce(func.sum(columns.slots), 0)).where(columns.until > now_s())
    return Workforce(*session.execute(query).one())
