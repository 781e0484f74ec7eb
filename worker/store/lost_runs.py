"""What the sweeper looks for: runs that nobody took, whose worker is gone, or whose time is up (reliability.md sections 1.1 and 1.4)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from worker.engine.events import RunStatus
from worker.store.claims import IS_EXPIRED, IS_OVERDUE, REQUEUE, write
from worker.store.clock import now_s
from worker.store.models import RUNS

#: The condition of the index that these queries share.
IS_UNFINISHED = RUNS.c.finished_at.is_(None)


@dataclass(frozen=True, slots=True)
class LostRun:
    """An unfinished run that its worker does not look after any more; ``attempt`` is the claim that failed."""

    run_id: str
    task_id: str
    attempt: int
    #: Claims that ended with a lost worker, this one included.
    losses: int
    is_stopping: bool
    #: As in ``NewRun``.
    queue: str | None = None


def find_unclaimed(session: Session, older_than_s: float, limit: int = 100, queue: str | None = None) -> list[tuple[str, str]]:
    """``(run id, task id)`` of a queue's scheduled runs whose task was last sent that long ago; the caller sends them again.

    They count as sent from now on. Oldest first, as far as ``limit`` goes.
    """
    is_old = (RUNS.c.status == RunStatus.SCHEDULED, RUNS.c.lease_until < now_s() - older_than_s, RUNS.c.queue.is_not_distinct_from(queue))
    oldest = select(RUNS.c.id).where(IS_UNFINISHED, *is_old).order_by(RUNS.c.lease_until).limit(limit)
    # The row is judged again when its lock is had: another sweeper may just have sent it.
    resent = update(RUNS).where(RUNS.c.id.in_(oldest), *is_old).values(lease_until=now_s())
    return [(row.id, row.task_id) for row in session.execute(resent.returning(RUNS.c.id, RUNS.c.task_id))]


def find_expired(session: Session, limit: int = 100) -> list[LostRun]:
    """Running runs whose worker has not renewed their lease in time."""
    return _find_lost(session, limit, RUNS.c.status == RunStatus.RUNNING, IS_EXPIRED)


def find_overdue(session: Session, limit: int = 100) -> list[LostRun]:
    """Unfinished runs whose deadline has passed, whatever their worker does."""
    return _find_lost(session, limit, IS_OVERDUE)


def _find_lost(session: Session, limit: int, *conditions: Any) -> list[LostRun]:
    stopping = RUNS.c.cancel_requested_at.is_not(None)
    columns = (RUNS.c.id, RUNS.c.task_id, RUNS.c.attempt, RUNS.c.lost_attempts + 1, stopping, RUNS.c.queue)
    rows = session.execute(select(*columns).where(IS_UNFINISHED, *conditions).order_by(RUNS.c.lease_until).limit(limit))
    return [
        LostRun(run_id, task_id, attempt, losses, bool(is_stopping), queue) for run_id, task_id, attempt, losses, is_stopping, queue in rows
    ]


def forsake(session: Session, owner: str) -> None:
    """The leases of a process that is known to be dead run out now, not later."""
    session.execute(update(RUNS).where(RUNS.c.lease_owner == owner, RUNS.c.status == RunStatus.RUNNING).values(lease_until=now_s() - 1))


def requeue_expired(session: Session, run_id: str, attempt: int) -> bool:
    """Give a lost run to another worker; its task is to be sent again after the commit.

    False: its worker came back, or the run went on some other way, or it is to be stopped (``take_over`` and ``finish_run``).
    """
    return write(session, REQUEUE, run_id, attempt)
