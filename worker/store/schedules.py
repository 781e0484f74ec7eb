"""Schedules as operators handle them, and the queries by which workers fire them (schedules/firing.py)."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from worker.store.clock import now_s
from worker.store.encoding import clean_text, dumps
from worker.store.errors import NotFound
from worker.store.models import APPS
from worker.store.schedule_models import SCHEDULES, Schedule

#: ``sys.user_id`` of runs for which an operator names nobody.
USER = "schedule"


@dataclass(frozen=True, slots=True)
class NewSchedule:
    """A schedule whose cron expression and time zone are right."""

    app_id: str
    name: str
    cron: str
    timezone: str
    #: As a request brings them.
    inputs: Mapping[str, Any]
    missed: str
    overlap: str
    user: str = USER
    #: The trigger that it stands for, and what its document says; None: an operator makes it.
    node_id: str | None = None
    written: str | None = None


def database_now(session: Session) -> float:
    """Epoch seconds by the clock that decides what is due."""
    return session.execute(select(now_s())).scalar_one()


def add_schedule(session: Session, new: NewSchedule, next_at: float | None) -> Schedule:
    """``next_at``: its first due time. Raises ``NotFound`` if the app is gone."""
    schedule = Schedule(
        id=str(uuid.uuid4()),
        app_id=new.app_id,
        name=clean_text(new.name),
        node_id=new.node_id,
        written=new.written,
        cron=new.cron,
        timezone=new.timezone,
        inputs=dumps(new.inputs),
        user=clean_text(new.user),
        missed=new.missed,
        overlap=new.overlap,
        next_at=next_at,
        created_at=now_s(),
    )
    session.add(schedule)
    session.flush()
    session.refresh(schedule)
    return schedule


def list_schedules(session: Session, app_id: str | None = None) -> list[Schedule]:
    """Of one app, or of all, oldest first."""
    found = select(Schedule).order_by(Schedule.created_at, Schedule.id)
    return list(session.scalars(found if app_id is None else found.where(Schedule.app_id == app_id)))


def find_schedule(session: Session, schedule: str, app_id: str | None = None) -> Schedule:
    """The schedule with this id or, if only one has it, this name; ``app_id``: of this app only. Raises ``NotFound``."""
    wanted = clean_text(schedule)
    mine = () if app_id is None else (Schedule.app_id == app_id,)
    by_id = session.scalars(select(Schedule).where(Schedule.id == wanted.lower(), *mine)).one_or_none()
    if by_id is not None:
        return by_id
    found = list(session.scalars(select(Schedule).where(Schedule.name == wanted, *mine).limit(2)))
    if len(found) != 1:
        raise NotFound(f"There is no schedule {schedule!r}." if not found else f"Several schedules are called {schedule!r}; use an id.")
    return found[0]


def hold_in_app(session: Session, schedule: Schedule) -> Schedule | None:
    """A schedule as it is now, held with its app until the transaction ends. None: either is gone, or somebody else has the schedule."""
    if session.scalar(select(APPS.c.id).where(APPS.c.id == schedule.app_id).with_for_update()) is None:
        return None
    return _hold(session, schedule.id, skip_locked=True)


def _hold(session: Session, schedule_id: str, *, skip_locked: bool = False) -> Schedule | None:
    held = select(Schedule).where(Schedule.id == schedule_id).with_for_update(skip_locked=skip_locked)
    return session.scalars(held.execution_options(populate_existing=True)).one_or_none()


def change_schedule(session: Session, schedule_id: str, **changes: Any) -> Schedule:
    """Set columns of a schedule; the caller has seen to it that they go together. Raises ``NotFound``."""
    schedule = _hold(session, schedule_id)
    if schedule is None:
        raise NotFound(f"There is no schedule {schedule_id!r}.")
    for name, value in changes.items():
        setattr(schedule, name, value)
    session.flush()
    session.refresh(schedule)
    return schedule


def remove_schedule(session: Session, schedule_id: str) -> None:
    """With what is known of its due times; its runs stay. Raises ``NotFound``."""
    if session.execute(delete(SCHEDULES).where(SCHEDULES.c.id == schedule_id).returning(SCHEDULES.c.id)).first() is None:
        raise NotFound(f"There is no schedule {schedule_id!r}.")


def remove_followers(session: Session, app_id: str, kept: Sequence[str]) -> None:
    """Remove an app's schedules of triggers that are not among these nodes."""
    session.execute(
        delete(SCHEDULES).where(SCHEDULES.c.app_id == app_id, SCHEDULES.c.node_id.is_not(None), SCHEDULES.c.node_id.not_in(kept))
    )


def followers(session: Session, app_id: str) -> dict[str, Schedule]:
    """An app's schedules of triggers by node id, held until the transaction ends."""
    mine = select(Schedule).where(Schedule.app_id == app_id, Schedule.node_id.is_not(None)).order_by(Schedule.id).with_for_update()
    return {str(schedule.node_id): schedule for schedule in session.scalars(mine.execution_options(populate_existing=True))}


# ---- for the workers


@dataclass(frozen=True, slots=True)
class DueSchedule:
    schedule_id: str
    next_at: float


def due_schedules(session: Session, after: DueSchedule | None = None, limit: int = 100) -> list[DueSchedule]:
    """Schedules with a due time that has passed, those that wait longest first, behind ``after``."""
    statement = select(SCHEDULES.c.id, SCHEDULES.c.next_at).where(IS_DUE).order_by(SCHEDULES.c.next_at, SCHEDULES.c.id).limit(limit)
    if after is not None:
        is_behind = (SCHEDULES.c.next_at > after.next_at) | ((SCHEDULES.c.next_at == after.next_at) & (SCHEDULES.c.id > after.schedule_id))
        statement = statement.where(is_behind)
    return [DueSchedule(*row) for row in session.execute(statement)]


IS_DUE = SCHEDULES.c.next_at.is_not(None) & (SCHEDULES.c.next_at <= now_s())


def advance(session: Session, schedule_id: str, next_at: float | None) -> None:
    """The due times before ``next_at`` have been dealt with."""
    session.execute(update(SCHEDULES).where(SCHEDULES.c.id == schedule_id).values(next_at=next_at))
