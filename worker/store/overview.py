"""A deployment at a glance, for its operator. Every question is answered from an index, and counts stop somewhere."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Select, func, select
from sqlalchemy.orm import Session

from worker.engine.events import RunStatus
from worker.store.clock import now_s
from worker.store.models import RUNS, ApiKey, App, Lock

#: Runs that are counted of each kind, at most.
MOST = 100_000

#: Seconds of what counts as lately ended.
LATELY_S = 3600.0

#: Name of the lock of the worker that looks for lost runs (worker/sweeper.py).
SWEEPER = "sweeper"


@dataclass(frozen=True, slots=True)
class Overview:
    apps: int
    #: That can be used.
    keys: int
    #: Status -> runs that have not ended; ``scheduled`` are those that wait for a worker.
    unfinished: dict[str, int]
    #: Status -> runs that ended within ``LATELY_S``.
    ended_lately: dict[str, int]
    #: Seconds for which the oldest of the ``scheduled`` runs has waited; None: none waits.
    oldest_wait_s: float | None
    #: Workers that hold a run just now. One without any is not seen here.
    workers_with_runs: int
    #: Some worker looks for lost runs.
    has_sweeper: bool
    #: A number of runs was too large to be counted to the end.
    is_capped: bool


def read_overview(session: Session) -> Overview:
    unfinished = _count_by_status(session, RUNS.c.finished_at.is_(None))
    ended = [_count_by_status(session, RUNS.c.finished_at >= now_s() - LATELY_S, condition) for condition in (HAS_EVENTS, IS_BARE)]
    lately = {status: sum(counts.get(status, 0) for counts in ended) for status in sorted({*ended[0], *ended[1]})}
    return Overview(
        apps=_count(session, select(App.id)),
        keys=_count(session, select(ApiKey.id).where(ApiKey.revoked_at.is_(None))),
        unfinished=unfinished,
        ended_lately=lately,
        oldest_wait_s=session.execute(OLDEST_WAIT).scalar(),
        workers_with_runs=session.execute(WORKERS).scalar_one(),
        has_sweeper=session.execute(SWEEPERS).scalar_one() > 0,
        is_capped=any(sum(counts.values()) >= MOST for counts in (unfinished, *ended)),
    )


#: The conditions of the two indexes in which runs that have ended stand (store/models.py ENDED_RUNS).
HAS_EVENTS, IS_BARE = RUNS.c.last_event > 0, RUNS.c.last_event == 0

_HELD = (RUNS.c.finished_at.is_(None), RUNS.c.status == RunStatus.RUNNING, RUNS.c.lease_until > now_s())
WORKERS = select(func.count(func.distinct(select(RUNS.c.lease_owner).where(*_HELD).limit(MOST).subquery().c.lease_owner)))
SWEEPERS = select(func.count()).select_from(Lock).where(Lock.name == SWEEPER, Lock.until > now_s())

_WAITING = select(RUNS.c.created_at).where(RUNS.c.finished_at.is_(None), RUNS.c.status == RunStatus.SCHEDULED).limit(MOST).subquery()
OLDEST_WAIT = select(now_s() - func.min(_WAITING.c.created_at))


def _count_by_status(session: Session, *conditions: ColumnElement[bool]) -> dict[str, int]:
    counted = select(RUNS.c.status).where(*conditions).limit(MOST).subquery()
    rows = session.execute(select(counted.c.status, func.count()).group_by(counted.c.status))
    return {str(status): number for status, number in rows}


def _count(session: Session, ids: Select[Any]) -> int:
    return session.execute(select(func.count()).select_from(ids.limit(MOST).subquery())).scalar_one()
