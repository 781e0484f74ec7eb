"""Forms that people are asked to fill in (nodes.md section 6.20): found, answered, expired.

Whoever closes a form locks the row of its run first, as the worker that pauses the run does. So either the pause sees the answer, or
whoever answers sees the pause: no run waits for an answer that is there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, cast

from sqlalchemy import CursorResult, Row, bindparam, case, or_, select, update
from sqlalchemy.orm import Session

from worker.engine.checkpoint import dump_value, load_value
from worker.engine.events import FINAL_STATUSES, RunStatus
from worker.engine.human_form import HumanForm
from worker.engine.pausing import FormAnswer, HeldForm
from worker.store.clock import now_s
from worker.store.encoding import clean_text, dumps, loads
from worker.store.errors import FormExpired, FormSubmitted
from worker.store.identifiers import canonical_id
from worker.store.models import APPS, FORMS, RUNS, HumanInputForm
from worker.store.upsert import insert_or


class FormStatus(StrEnum):
    WAITING = "waiting"
    SUBMITTED = "submitted"
    #: Nobody answered in time, or its run has ended.
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class StoredForm:
    """A form as its app may see it; ``held`` has what it shows and until when."""

    run_id: str
    task_id: str
    app_id: str
    status: FormStatus
    held: HeldForm


@dataclass(frozen=True, slots=True)
class Wake:
    """A run that goes on now: its task is to be sent after the commit. If that fails, the sweeper does it."""

    run_id: str
    task_id: str


@dataclass(frozen=True, slots=True)
class DueForm:
    """A form that nobody answered in time."""

    form_id: str
    run_id: str
    node_title: str
    #: Last claim of the run.
    attempt: int
    #: Not the node alone goes on without an answer: the run has to end.
    ends_run: bool


#: A run that is to end, or has ended, takes no answers any more.
IS_CLOSED = or_(RUNS.c.status.in_(FINAL_STATUSES), RUNS.c.cancel_requested_at.is_not(None))
IS_WAITING = FORMS.c.status == FormStatus.WAITING
IS_DUE = FORMS.c.expires_at <= now_s()

STATUS = case((IS_WAITING & (IS_CLOSED | IS_DUE), FormStatus.EXPIRED), else_=FORMS.c.status).label("form_status")

FOUND = select(FORMS, STATUS, RUNS.c.task_id).join(RUNS, RUNS.c.id == FORMS.c.run_id)


def find_form(session: Session, app_id: str, token: str) -> StoredForm | None:
    """The form of this app that the token belongs to, open or not."""
    row = session.execute(FOUND.where(FORMS.c.token == clean_text(token), FORMS.c.app_id == app_id)).one_or_none()
    return None if row is None else _stored(row)


def find_shown_form(session: Session, token: str) -> StoredForm | None:
    """The form for somebody who has nothing but its token; apps that are switched off show none."""
    shown = FOUND.join(APPS, APPS.c.id == FORMS.c.app_id).where(APPS.c.status == "normal", APPS.c.api_enabled)
    row = session.execute(shown.where(FORMS.c.token == clean_text(token))).one_or_none()
    return None if row is None else _stored(row)


def waiting_forms(session: Session, app_id: str, run_id: str) -> list[StoredForm]:
    """The forms of a run that can be answered now, in the order in which they were asked for."""
    of_run = FOUND.where(FORMS.c.run_id == canonical_id(run_id), FORMS.c.app_id == app_id)
    rows = session.execute(of_run.where(IS_WAITING, ~IS_CLOSED, ~IS_DUE).order_by(FORMS.c.created_at, FORMS.c.position))
    return [_stored(row) for row in rows]


def held_forms(session: Session, run_id: str) -> dict[str, HeldForm]:
    """Every form that the run has asked for, by its id, which is that of the node execution; for the worker that goes on with it."""
    return {row.id: _held(row) for row in session.execute(select(FORMS).where(FORMS.c.run_id == run_id))}


def _stored(row: Row[Any]) -> StoredForm:
    return StoredForm(row.run_id, row.task_id, row.app_id, FormStatus(row.form_status), _held(row))


def _held(row: Row[Any]) -> HeldForm:
    answer = None if row.status == FormStatus.WAITING else FormAnswer(row.action, load_value(loads(row.submitted)))
    form = HumanForm.from_json(loads(row.definition))
    return HeldForm(row.id, row.node_id, row.node_title, row.token, form, row.expires_at, row.ends_run, answer)


def add_forms(session: Session, app_id: str, run_id: str, forms: Sequence[HeldForm]) -> None:
    """Store the forms that are not there yet; for the worker that pauses the run, which holds its row."""
    insert = insert_or(session, HumanInputForm).values(status=FormStatus.WAITING, action="", submitted="{}", created_at=now_s())
    rows = [{**_form_row(app_id, run_id, form), "position": position} for position, form in enumerate(forms)]
    session.execute(insert.on_conflict_do_nothing(index_elements=["id"]), rows)


def _form_row(app_id: str, run_id: str, form: HeldForm) -> dict[str, Any]:
    return {
        "id": form.form_id,
        "run_id": run_id,
        "app_id": app_id,
        "node_id": clean_text(form.node_id),
        "node_title": clean_text(form.node_title),
        "token": form.token,
        "definition": dumps(form.form.to_json()),
        "expires_at": form.expires_at,
        "ends_run": form.ends_run,
    }


def retire_forms(session: Session, run_id: str, waited_for: Sequence[str]) -> None:
    """Close the forms of a run that it waits for no more: what asked for them was cut off by a failure beside it."""
    left = CLOSE_ALL.where(FORMS.c.run_id == run_id, FORMS.c.id.not_in(waited_for))
    session.execute(left.values(status=FormStatus.EXPIRED, closed_at=now_s()))


def is_any_closed(session: Session, form_ids: Sequence[str]) -> bool:
    """One of the forms has been answered, or has expired."""
    closed = select(FORMS.c.id).where(FORMS.c.id.in_(form_ids), ~IS_WAITING).limit(1)
    return session.execute(closed).one_or_none() is not None


def submit_form(session: Session, form_id: str, action: str, values: Mapping[str, Any], end_user_id: str) -> Wake | None:
    """Answer a form, once and for all. ``values`` are those of ``HumanForm.prepare``.

    None: its run is still busy elsewhere and finds the answer itself. Raises ``FormSubmitted`` and ``FormExpired``; then nothing was
    changed.
    """
    run = _lock_run(session, form_id)
    answer = {"new_action": action, "new_values": dumps(dump_value(values)), "new_user": end_user_id}
    if run is None or run.is_closed or not _close(session, SUBMIT, form_id, **answer):
        raise _refusal(session, form_id)
    return wake(session, run.id)


def expire_form(session: Session, form_id: str) -> Wake | None:
    """Close a form that nobody answered in time. None: no run goes on because of that now."""
    run = _lock_run(session, form_id)
    return wake(session, run.id) if run is not None and _close(session, EXPIRE, form_id) else None


def find_due_forms(session: Session, limit: int = 100) -> list[DueForm]:
    """Forms that wait although their time is up, oldest first. A form whose run has ended does not end it again."""
    ends_run = (FORMS.c.ends_run & ~IS_CLOSED).label("ends_run")
    columns = (FORMS.c.id, FORMS.c.run_id, FORMS.c.node_title, RUNS.c.attempt, ends_run)
    due = select(*columns).join(RUNS, RUNS.c.id == FORMS.c.run_id).where(IS_WAITING, IS_DUE)
    return [DueForm(*row) for row in session.execute(due.order_by(FORMS.c.expires_at).limit(limit))]


def wake(session: Session, run_id: str) -> Wake | None:
    """Have a paused run go on; None if it is not paused, or to be stopped."""
    row = session.execute(WAKE, {"run": run_id}).one_or_none()
    return None if row is None else Wake(row.id, row.task_id)


WAKE = (
    update(RUNS)
    .where(RUNS.c.id == bindparam("run"), RUNS.c.status == RunStatus.PAUSED, RUNS.c.cancel_requested_at.is_(None))
    .values(status=RunStatus.SCHEDULED, lease_until=now_s())
    .returning(RUNS.c.id, RUNS.c.task_id)
)

CLOSE_ALL = update(FORMS).where(IS_WAITING)
CLOSE = CLOSE_ALL.where(FORMS.c.id == bindparam("form"))

SUBMIT = CLOSE.where(~IS_DUE).values(
    status=FormStatus.SUBMITTED,
    action=bindparam("new_action"),
    submitted=bindparam("new_values"),
    end_user_id=bindparam("new_user"),
    closed_at=now_s(),
)

EXPIRE = CLOSE.where(IS_DUE).values(status=FormStatus.EXPIRED, closed_at=now_s())


def _close(session: Session, statement: Any, form_id: str, **values: Any) -> bool:
    return cast("CursorResult[Any]", session.execute(statement, {"form": form_id, **values})).rowcount == 1


def _lock_run(session: Session, form_id: str) -> Row[Any] | None:
    """The run of a form, which nobody else changes until the end of the transaction. SQLite's transactions are alone anyway."""
    owner = select(FORMS.c.run_id).where(FORMS.c.id == form_id).scalar_subquery()
    return session.execute(select(RUNS.c.id, IS_CLOSED.label("is_closed")).where(RUNS.c.id == owner).with_for_update()).one_or_none()


def _refusal(session: Session, form_id: str) -> FormSubmitted | FormExpired:
    status = session.execute(select(FORMS.c.status).where(FORMS.c.id == form_id)).scalar()
    return FormSubmitted("The form has been submitted.") if status == FormStatus.SUBMITTED else FormExpired("The form has expired.")
