"""What is removed because of its age, or because there is too much of it (reliability.md section 1.14).

In steps that are each a short transaction: no step waits for a row that somebody holds, and none holds many. A run that has ended first
loses its details, which are nearly all that it takes up: its node results and events. Its row, inputs and outputs go later. Runs that
have not ended are never touched.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, cast

from sqlalchemy import ColumnElement, Row, Table, delete, exists, func, literal_column, select, tuple_, update
from sqlalchemy.orm import Session

from worker.store.batch_models import BATCH_ITEMS, IS_RUNNING, IS_WAITING
from worker.store.clock import now_s
from worker.store.models import (
    FORMS,
    IDEMPOTENCY_KEYS,
    PAYLOADS,
    RUNS,
    WEBHOOK_DELIVERIES,
    NodeExecution,
    RunEvents,
    StoredFile,
)

NODES = cast(Table, NodeExecution.__table__)

#: Runs of one step, and the events that they have together at most, unless one run alone has more: some milliseconds on either database.
RUNS_AT_A_TIME = 100
EVENTS_AT_A_TIME = 1000

#: Files of one step.
FILES_AT_A_TIME = 50

#: A run without details says that it has no event: no other run that has ended does.
HAS_DETAILS = RUNS.c.last_event > literal_column("0")
IS_BARE = RUNS.c.last_event == literal_column("0")

#: A message about the run is still to be sent, or a client may still ask for the run by its key, or its batch does not know its end yet,
#: or it is still being spoken.
IS_AWAITED = (
    exists().where(WEBHOOK_DELIVERIES.c.run_id == RUNS.c.id, WEBHOOK_DELIVERIES.c.due_at.is_not(None))
    | exists().where(IDEMPOTENCY_KEYS.c.run_id == RUNS.c.id)
    | ((RUNS.c.queue.is_not(None)) & exists().where(BATCH_ITEMS.c.run_id == RUNS.c.id, IS_RUNNING))
    | (RUNS.c.wants_speech & (func.coalesce(RUNS.c.lease_until, 0.0) > now_s()))
)

HAS_ENDED = RUNS.c.finished_at.is_not(None)
IS_OVER = HAS_ENDED & ~IS_AWAITED

#: In every file that inputs hold.
FILE_MARK = "dify_model_identity"

UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def strip_runs(session: Session, age_s: float) -> int:
    """Remove the details of runs that ended so long ago, oldest first; answers of how many. 0: there is none."""
    ids = _choose(session, HAS_DETAILS, RUNS.c.finished_at < now_s() - age_s)
    if ids:
        session.execute(delete(NodeExecution).where(NodeExecution.run_id.in_(ids)))
        session.execute(delete(RunEvents).where(RunEvents.run_id.in_(ids)))
        session.execute(update(RUNS).where(RUNS.c.id.in_(ids)).values(last_event=0))
    return len(ids)


def delete_runs(session: Session, age_s: float) -> int:
    """Remove runs that have lost their details and ended so long ago, oldest first; answers how many."""
    return _delete(session, _choose(session, IS_BARE, RUNS.c.finished_at < now_s() - age_s))


def delete_surplus(session: Session, app_id: str, kept: int) -> int:
    """Remove the oldest of an app's runs that have ended, if there are more than ``kept``; answers how many."""
    order = (RUNS.c.created_at, RUNS.c.id)
    of_app = select(RUNS.c.created_at, RUNS.c.id).where(RUNS.c.app_id == app_id, HAS_ENDED)
    surplus = session.execute(of_app.order_by(*(column.desc() for column in order)).offset(kept).limit(1)).one_or_none()
    if surplus is None:
        return 0
    return _delete(
        session, _choose(session, RUNS.c.app_id == app_id, tuple_(*order) <= tuple_(surplus.created_at, surplus.id), order=order)
    )


def _choose(session: Session, *conditions: ColumnElement[bool], order: Sequence[Any] = (RUNS.c.finished_at,)) -> list[str]:
    """Ids of a step's runs; those that somebody holds just now come later."""
    chosen = select(RUNS.c.id, RUNS.c.last_event).where(IS_OVER, *conditions).order_by(*order).limit(RUNS_AT_A_TIME)
    return list(_light(session.execute(chosen.with_for_update(skip_locked=True, of=RUNS))))


def _light(runs: Iterable[Row[Any]]) -> Iterator[str]:
    events = 0
    for run in runs:
        if events and events + run.last_event > EVENTS_AT_A_TIME:
            return
        events += run.last_event
        yield run.id


def _delete(session: Session, run_ids: list[str]) -> int:
    if run_ids:
        # What belongs to them goes with them (models.py).
        session.execute(delete(RUNS).where(RUNS.c.id.in_(run_ids)))
    return len(run_ids)


@dataclass(frozen=True, slots=True)
class FilePage:
    """Old files in the order of their age, as far as one step looked at them."""

    #: Those that were removed.
    removed: Sequence[str]
    #: Where the next step begins; None: this was the last page.
    next: tuple[float, str] | None


#: Before every file.
FIRST = (0.0, "")


def delete_files(session: Session, age_s: float, in_use: frozenset[str], after: tuple[float, str] = FIRST) -> FilePage:
    """Remove files that are so old, but those ``in_use``. Their bytes are to be removed after the commit."""
    order = (StoredFile.created_at, StoredFile.id)
    page = select(*order).where(*_is_old(age_s), tuple_(*order) > tuple_(*after)).order_by(*order).limit(FILES_AT_A_TIME)
    found = session.execute(page.with_for_update(skip_locked=True)).all()
    removed = [row.id for row in found if row.id not in in_use]
    if removed:
        session.execute(delete(StoredFile).where(StoredFile.id.in_(removed)))
    return FilePage(removed, (found[-1].created_at, found[-1].id) if found else None)


def has_old_file(session: Session, age_s: float) -> bool:
    return session.execute(select(StoredFile.id).where(*_is_old(age_s)).limit(1)).one_or_none() is not None


def _is_old(age_s: float) -> tuple[ColumnElement[bool], ...]:
    """What nodes in flight have made is in nobody's results yet; it is younger than their runs."""
    eldest = select(func.min(RUNS.c.created_at)).where(RUNS.c.finished_at.is_(None), RUNS.c.paused_at.is_(None)).scalar_subquery()
    return StoredFile.created_at < now_s() - age_s, StoredFile.created_at < func.coalesce(eldest, now_s())


def files_in_use(session: Session) -> frozenset[str]:
    """Ids of the files that runs which have not ended, or not begun, may still read, among others. For a snapshot: it reads in pieces."""
    found: set[str] = set()
    # An item that waits may be older than every run.
    waiting = select(BATCH_ITEMS.c.inputs).where(IS_WAITING, BATCH_ITEMS.c.inputs.contains(FILE_MARK))
    for value in session.scalars(waiting, execution_options={"yield_per": 100}):
        found.update(UUID.findall(value))
    for text in (PAYLOADS.c.inputs, FORMS.c.submitted, NODES.c.record):
        of_open_runs = select(text).join(RUNS, RUNS.c.id == text.table.c.run_id).where(RUNS.c.finished_at.is_(None))
        for value in session.scalars(of_open_runs, execution_options={"yield_per": 100}):
            found.update(UUID.findall(value))
    return frozenset(found)


def known_files(session: Session, file_ids: Sequence[str]) -> set[str]:
    """Those that have a row."""
    return set(session.scalars(select(StoredFile.id).where(StoredFile.id.in_(file_ids))))


# ---- what a pass would find


def count_stripped(session: Session, age_s: float) -> int:
    """Runs that ``strip_runs`` would find, one step after the other."""
    return _count(session, HAS_DETAILS, RUNS.c.finished_at < now_s() - age_s)


def count_deleted(session: Session, age_s: float) -> int:
    """Runs that ``delete_runs`` would find once all have lost their details."""
    return _count(session, RUNS.c.finished_at < now_s() - age_s)


def count_surplus(session: Session, kept: int) -> int:
    """Runs that ``delete_surplus`` would find, of all apps together; more than it does while some are still awaited."""
    ended = select(func.count()).where(HAS_ENDED).group_by(RUNS.c.app_id)
    return sum(max(number - kept, 0) for number in session.scalars(ended))


def count_old_files(session: Session, age_s: float) -> int:
    """Files that ``delete_files`` would look at."""
    return session.scalars(select(func.count()).select_from(StoredFile).where(*_is_old(age_s))).one()


def _count(session: Session, *conditions: ColumnElement[bool]) -> int:
    return session.scalars(select(func.count()).select_from(RUNS).where(IS_OVER, *conditions)).one()
