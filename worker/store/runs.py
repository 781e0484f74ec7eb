"""Runs as their clients know them: accepted, stopped, looked at. A worker's part is in ``claims.py``, the sweeper's in ``lost_runs.py``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import and_, bindparam, func, insert, select, update
from sqlalchemy.orm import Session

from worker.engine.events import RunStatus
from worker.store.claims import IS_OPEN, Claim, take_over
from worker.store.clock import now_s
from worker.store.encoding import clean_text, dumps, loads
from worker.store.errors import NotFound
from worker.store.identifiers import canonical_id
from worker.store.limits import Bounds, take_place
from worker.store.models import APPS, END_USERS, PAYLOADS, RUNS
from worker.store.prepared import Prepared, PreparedInsert
from worker.store.resumption import Resumption, copy_results
from worker.store.webhooks import RunWebhook


@dataclass(frozen=True, slots=True)
class NewRun:
    run_id: str
    #: Also the id of the Celery task.
    task_id: str
    app_id: str
    workflow_id: str
    workflow_version: str
    end_user_id: str
    #: Plain JSON: prepared form values, then the ``sys.*`` keys (api-contract.md section 2.3).
    inputs: Mapping[str, Any]
    #: Seconds that the run may take once a worker has it.
    time_limit_s: float
    trace_id: str | None = None
    triggered_from: str = "app-run"
    #: Tell the run's text as speech too (api-contract.md section 7).
    wants_speech: bool = False
    #: Whom to tell of it, besides the endpoints of its app.
    webhook: RunWebhook | None = None
    #: What it goes on from.
    resumption: Resumption | None = None
    #: Key that begins it.
    key_id: str | None = None
    #: Node id of the trigger at which it begins; None: at the start node.
    trigger_id: str | None = None
    #: Open runs that its app and key may have; None: no limit, or the caller has seen to that (``limits.room_of``).
    bounds: Bounds | None = None
    #: Queue that its task waits in; None: that of runs that somebody waits for.
    queue: str | None = None


@dataclass(frozen=True, slots=True)
class AcceptedRun:
    run_id: str
    task_id: str
    sequence_number: int
    created_at: float


@dataclass(frozen=True, slots=True)
class Stop:
    """A stop that was noted. With a claim, no worker has the run and the caller ends it; else its worker must be told."""

    run_id: str
    task_id: str
    claim: Claim | None


@dataclass(frozen=True, slots=True)
class Outlook:
    """What readers of a run's events may expect of SQL."""

    #: Last event that SQL has.
    last_event: int
    #: No other follows it, ever.
    is_complete: bool
    #: No other follows it before people have answered.
    is_paused: bool = False


@dataclass(frozen=True, slots=True)
class RunDetail:
    """A run as its app may see it (api-contract.md section 2.3)."""

    run_id: str
    task_id: str
    workflow_id: str
    end_user_id: str
    sequence_number: int
    #: ``running`` as long as no worker has it: ``scheduled`` is ours alone.
    status: RunStatus
    #: JSON text.
    inputs: str
    outputs: dict[str, Any]
    error: str | None
    total_steps: int
    total_tokens: int
    exceptions_count: int
    elapsed_time: float
    created_at: float
    finished_at: float | None
    #: Last event that SQL has.
    last_event: int
    #: The run that it goes on from.
    resumed_from: str | None


def accept_run(session: Session, run: NewRun) -> AcceptedRun:
    """Store a run as ``scheduled``. Its task is sent after the commit, not before.

    Raises ``NotFound`` if the app is gone, ``TooManyRuns``, and what ``copy_results`` raises for a run that goes on from another one.
    """
    if run.bounds is not None:
        take_place(session, run.bounds)
    found = NEXT_NUMBER.one(session, {"app": run.app_id})
    if found is None:
        raise NotFound("The app no longer exists.")
    (number,) = found
    ((created_at,),) = INSERT_RUN.rows(session, run_row(run, number))
    webhook = None if run.webhook is None else run.webhook.dump()
    INSERT_PAYLOAD.execute(session, {"run_id": run.run_id, "inputs": dumps(run.inputs), "webhook": webhook})
    if run.resumption is not None:
        copy_results(session, run.run_id, run.inputs, run.resumption)
    return AcceptedRun(run.run_id, run.task_id, number, created_at)


def run_row(run: NewRun, number: int) -> dict[str, Any]:
    """Columns of ``runs`` for a run with this ``sequence_number``, but those that every new run has alike."""
    return {
        "id": run.run_id,
        "task_id": run.task_id,
        "app_id": run.app_id,
        "workflow_id": run.workflow_id,
        "workflow_version": run.workflow_version,
        "end_user_id": run.end_user_id,
        "sequence_number": number,
        "triggered_from": run.triggered_from,
        "trace_id": run.trace_id,
        "time_limit_s": run.time_limit_s,
        "wants_speech": run.wants_speech,
        "key_id": run.key_id,
        "trigger_id": run.trigger_id,
        "queue": run.queue,
        **({} if run.resumption is None else run.resumption.columns),
    }


NEXT_NUMBER = Prepared(
    update(APPS)
    .where(APPS.c.id == bindparam("app"))
    .values(last_sequence_number=APPS.c.last_sequence_number + 1)
    .returning(APPS.c.last_sequence_number)
)

INSERT_RUN = PreparedInsert(
    insert(RUNS).values(status=RunStatus.SCHEDULED, created_at=now_s(), lease_until=now_s()).returning(RUNS.c.created_at)
)

INSERT_PAYLOAD = PreparedInsert(insert(PAYLOADS))


def request_stop(session: Session, app_id: str, task_id: str, session_id: str | None = None) -> Stop | None:
    """Note that a run is to be stopped (api-contract.md section 5). None: there is nothing to stop.

    ``session_id``, if given, must be that of the end user who started the run. If no worker has the run, the answer carries a
    claim, and the caller ends the run with ``finish_run``, in this transaction or the next; if it fails to, the sweeper does so.
    """
    flag = FLAG.where(RUNS.c.task_id == canonical_id(task_id), RUNS.c.app_id == app_id)
    if session_id is not None:
        same_user = (END_USERS.c.app_id == app_id, END_USERS.c.session_id == clean_text(session_id))
        flag = flag.where(RUNS.c.end_user_id.in_(select(END_USERS.c.id).where(*same_user)))
    run = session.execute(flag).one_or_none()
    return None if run is None else Stop(run.id, run.task_id, take_over(session, run.id, run.attempt))


FLAG = (
    update(RUNS)
    .where(IS_OPEN)
    .values(cancel_requested_at=func.coalesce(RUNS.c.cancel_requested_at, now_s()))
    .returning(RUNS.c.id, RUNS.c.task_id, RUNS.c.attempt)
)


def get_run(session: Session, app_id: str, run_id: str) -> RunDetail | None:
    """A run of this app; None for any other id, well-formed or not."""
    conditions = (RUNS.c.id == canonical_id(run_id), RUNS.c.app_id == app_id)
    row = session.execute(DETAIL.where(*conditions)).one_or_none()
    if row is None:
        return None
    facts = dict(row._mapping)
    return RunDetail(**{**facts, "status": visible_status(facts["status"]), "outputs": loads(facts["outputs"])})


DETAIL = select(
    RUNS.c.id.label("run_id"),
    RUNS.c.task_id,
    RUNS.c.workflow_id,
    RUNS.c.end_user_id,
    RUNS.c.sequence_number,
    RUNS.c.status,
    PAYLOADS.c.inputs,
    PAYLOADS.c.outputs,
    RUNS.c.error,
    RUNS.c.total_steps,
    RUNS.c.total_tokens,
    RUNS.c.exceptions_count,
    RUNS.c.elapsed_time,
    RUNS.c.created_at,
    RUNS.c.finished_at,
    RUNS.c.last_event,
    RUNS.c.resumed_from,
).join(PAYLOADS, PAYLOADS.c.run_id == RUNS.c.id)


def find_outlook(session: Session, run_id: str) -> Outlook | None:
    """None: there is no such run."""
    row = session.execute(OUTLOOK.where(RUNS.c.id == canonical_id(run_id))).one_or_none()
    if row is None:
        return None
    status = RunStatus(row.status)
    return Outlook(row.last_event, status.is_final and not row.is_speaking, status is RunStatus.PAUSED)


#: A lease that has run out belongs to a worker that died while it spoke: nothing comes any more.
OUTLOOK = select(
    RUNS.c.last_event,
    RUNS.c.status,
    and_(RUNS.c.wants_speech, func.coalesce(RUNS.c.lease_until, 0.0) > now_s()).label("is_speaking"),
)


def locate_run(session: Session, run_id: str) -> tuple[str, str] | None:
    """``(app id, task id)`` of a run, for an operator; requests of clients know their app."""
    row = session.execute(select(RUNS.c.app_id, RUNS.c.task_id).where(RUNS.c.id == canonical_id(run_id))).one_or_none()
    return None if row is None else (row.app_id, row.task_id)


def active_status(session: Session, ids: Sequence[str]) -> dict[str, RunStatus]:
    """Status of each run as it is, ``scheduled`` too; runs that are not there are left out."""
    rows = session.execute(select(RUNS.c.id, RUNS.c.status).where(RUNS.c.id.in_(ids)))
    return {run_id: RunStatus(status) for run_id, status in rows}


def visible_status(status: str) -> RunStatus:
    """The status that users see: a run that waits for a worker is ``running`` (api-contract.md section 2.3)."""
    return RunStatus.RUNNING if status == RunStatus.SCHEDULED else RunStatus(status)
