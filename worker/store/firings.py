"""What became of the due times of schedules. One row for each that was dealt with, so that none is dealt with twice."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import delete, exists, select, tuple_
from sqlalchemy.orm import Session

from worker.store.clock import now_s
from worker.store.encoding import clean_text
from worker.store.limits import IS_OPEN
from worker.store.models import RUNS
from worker.store.schedule_models import FIRINGS, Firing
from worker.store.upsert import insert_or

#: Runs of a schedule that are looked at to say whether one has not ended: the last ones.
LOOKED_AT = 20


class FiringStatus(StrEnum):
    #: A run began.
    STARTED = "started"
    #: The run before it had not ended.
    SKIPPED = "skipped"
    #: No worker was there in time.
    MISSED = "missed"
    #: No run could be made.
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class FiringFacts:
    due_at: float
    status: str
    run_id: str | None
    error: str | None
    missed: int
    fired_at: float
    #: Of its run; None: there is none, or it is gone.
    run_status: str | None


def note_firing(
    session: Session,
    schedule_id: str,
    due_at: float,
    status: FiringStatus,
    *,
    run_id: str | None = None,
    error: str | None = None,
    missed: int = 0,
) -> bool:
    """Take a due time, in the transaction that stores its run. False: somebody has dealt with it before."""
    row = {
        "schedule_id": schedule_id,
        "due_at": due_at,
        "status": status.value,
        "run_id": run_id,
        "error": None if error is None else clean_text(error),
        "missed": missed,
        "fired_at": now_s(),
    }
    insert = insert_or(session, Firing).values(row).on_conflict_do_nothing(index_elements=["schedule_id", "due_at"])
    return session.execute(insert.returning(FIRINGS.c.due_at)).one_or_none() is not None


def has_open_run(session: Session, schedule_id: str) -> bool:
    """Whether one of its last runs waits for a worker or has one; a run that waits for people does not count."""
    mine = select(FIRINGS.c.run_id).where(FIRINGS.c.schedule_id == schedule_id, FIRINGS.c.run_id.is_not(None))
    last = mine.order_by(FIRINGS.c.due_at.desc()).limit(LOOKED_AT).subquery()
    return bool(session.scalar(select(exists().where(RUNS.c.id.in_(select(last.c.run_id)), *IS_OPEN))))


def list_firings(session: Session, schedule_id: str, limit: int = 20) -> list[FiringFacts]:
    """Newest first."""
    columns = (
        *(FIRINGS.c[name] for name in ("due_at", "status", "run_id", "error", "missed", "fired_at")),
        RUNS.c.status.label("run_status"),
    )
    found = select(*columns).outerjoin(RUNS, RUNS.c.id == FIRINGS.c.run_id).where(FIRINGS.c.schedule_id == schedule_id)
    return [FiringFacts(*row) for row in session.execute(found.order_by(FIRINGS.c.due_at.desc()).limit(limit))]


def forget_firings(session: Session, age_s: float, limit: int = 500) -> int:
    """Remove what is known of due times that were dealt with so long ago, oldest first; answers of how many."""
    key = (FIRINGS.c.schedule_id, FIRINGS.c.due_at)
    oldest = select(*key).where(FIRINGS.c.fired_at < now_s() - age_s).order_by(FIRINGS.c.fired_at).limit(limit)
    return len(session.execute(delete(FIRINGS).where(tuple_(*key).in_(oldest)).returning(FIRINGS.c.due_at)).all())
