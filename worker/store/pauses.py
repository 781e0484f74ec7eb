"""A worker puts its run aside until people have answered: results, events, forms and the state of the run in one transaction."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import bindparam, select
from sqlalchemy.orm import Session

from worker.engine.errors import RunFenced
from worker.engine.events import RunStatus
from worker.engine.pausing import HeldForm, RunPause
from worker.engine.record import NodeRecord
from worker.store.claims import LAST_EVENT, OWNED, Claim, store_history, write
from worker.store.clock import now_s
from worker.store.events import EventStretch
from worker.store.forms import add_forms, is_any_closed, retire_forms, wake
from worker.store.models import RUNS
from worker.store.prepared import Prepared
from worker.store.webhooks import PAUSED, announce


def pause_run(
    session: Session,
    claim: Claim,
    pause: RunPause,
    forms: Sequence[HeldForm],
    records: Sequence[tuple[int, NodeRecord]],
    events: EventStretch,
) -> RunStatus:
    """Put a run aside, with whatever of it is not stored yet. ``forms`` are all that it waits for. Safe to repeat.

    Answers ``paused``; or ``scheduled``, if one of the forms was closed meanwhile: then its task is to be sent after the commit; or
    ``stopped``, if a stop was requested: then nothing was written, and the claim is still in force. Raises ``RunFenced``.
    """
    if not write(session, PAUSE, claim.run_id, claim.attempt, last=events.last, **_state_of(pause)):
        return _why_unwritten(session, claim)
    store_history(session, claim.run_id, claim.attempt, records, events)
    add_forms(session, claim.app_id, claim.run_id, forms)
    waited_for = [form.form_id for form in forms]
    retire_forms(session, claim.run_id, waited_for)
    if is_any_closed(session, waited_for):
        wake(session, claim.run_id)
        return RunStatus.SCHEDULED
    announce(session, claim.run_id, PAUSED)
    return RunStatus.PAUSED


PAUSE = Prepared(
    OWNED.where(RUNS.c.cancel_requested_at.is_(None)).values(
        status=RunStatus.PAUSED,
        paused_at=now_s(),
        total_tokens=bindparam("now_tokens"),
        total_steps=bindparam("now_steps"),
        exceptions_count=bindparam("now_exceptions"),
        elapsed_time=bindparam("now_elapsed"),
        last_event=LAST_EVENT,
        lease_owner=None,
        lease_until=None,
    )
)


def _state_of(pause: RunPause) -> dict[str, float]:
    return {
        "now_tokens": pause.spending.total_tokens,
        "now_steps": pause.total_steps,
        "now_exceptions": pause.exceptions_count,
        "now_elapsed": pause.elapsed_s,
    }


def _why_unwritten(session: Session, claim: Claim) -> RunStatus:
    """The run was paused already, by a commit whose answer got lost; or it is to be stopped. Raises ``RunFenced``."""
    is_claimed = (RUNS.c.id == claim.run_id, RUNS.c.attempt == claim.attempt)
    row = session.execute(select(RUNS.c.status, RUNS.c.cancel_requested_at).where(*is_claimed)).one_or_none()
    if row is not None and row.status in (RunStatus.PAUSED, RunStatus.SCHEDULED):
        return RunStatus(row.status)
    if row is not None and row.status == RunStatus.RUNNING and row.cancel_requested_at is not None:
        return RunStatus.STOPPED
    raise RunFenced
