"""A worker's hold on a run: taken, renewed, written under, given back (engine/events.py draws the transitions).

Each write checks the attempt number of its claim; the row lock of that check makes the transaction the only one on the run. Times
that decide anything are the database's own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Boolean, Float, Integer, bindparam, func, or_, select, update
from sqlalchemy.orm import Session

from worker.engine.checkpoint import dump_record, load_record
from worker.engine.errors import RunFenced
from worker.engine.events import FINAL_STATUSES, RunFinished, RunStatus
from worker.engine.record import NodeRecord
from worker.store.clock import now_s
from worker.store.encoding import clean_text, dumps, loads
from worker.store.events import EventStretch, store_events
from worker.store.models import END_USERS, PAYLOADS, RUNS, NodeExecution
from worker.store.prepared import Prepared, PreparedInsert, Row
from worker.store.upsert import insert_for
from worker.store.webhooks import FINISHED, HAS_RECEIVERS, announce

SUCCESSES = frozenset({RunStatus.SUCCEEDED, RunStatus.PARTIAL_SUCCEEDED})

#: Seconds that the engine has beyond a run's time limit to end it in its own words, before the sweeper does.
DEADLINE_GRACE_S = 60.0

#: Lease of those who end a run that nobody executes. If they die over it, the sweeper finds the run like any other lost one.
CLOSING_OWNER = "closing"
CLOSING_LEASE_S = 30.0


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to write a run, and what whoever executes or ends it must know of it."""

    run_id: str
    task_id: str
    app_id: str
    workflow_id: str
    workflow_version: str
    end_user_id: str
    #: The client's own name for the end user.
    user: str
    sequence_number: int
    trace_id: str | None
    inputs: dict[str, Any]
    #: The fencing token.
    attempt: int
    #: Earlier claims that ended with a lost worker.
    lost_attempts: int
    created_at: float
    #: First claim.
    started_at: float
    #: Seconds since the first claim, pauses included.
    elapsed_s: float
    deadline_at: float
    #: Last event that SQL has.
    last_event: int
    #: The events of the run end with ``tts_message_end`` (api-contract.md section 7).
    wants_speech: bool = False
    #: Seconds in which the run waited for people, which its time limit does not count.
    paused_s: float = 0.0
    #: Node id of the trigger at which it begins; None: at the start node.
    trigger_id: str | None = None
    #: Queue that its task came from, and goes to if another worker is to have it; None: that of runs that somebody waits for.
    queue: str | None = None


@dataclass(frozen=True, slots=True)
class Renewal:
    #: Runs that are no longer the caller's to write: a later attempt has them, or they have ended.
    lost: set[str]
    #: Runs that a stop was requested for.
    stops: set[str]


def claim(session: Session, run_id: str, owner: str, lease_s: float, *, beside_others: bool = False) -> Claim | None:
    """Take a scheduled run. None: it is not there, somebody else has it, it has ended, or it is to be stopped.

    ``beside_others``: the process executes other runs too, so one that has lost a worker is left to a quarantine (``count_losses``).
    """
    statement = CLAIM_UNSUSPECTED if beside_others else CLAIM
    return _claimed(statement.one(session, {"run": run_id, "owner": owner, "lease_s": lease_s}))


def count_losses(session: Session, run_id: str) -> int:
    """Workers that a run has lost, and may have been the reason for that; 0 if it does not wait for one."""
    waits = (RUNS.c.id == run_id, RUNS.c.status == RunStatus.SCHEDULED, RUNS.c.cancel_requested_at.is_(None))
    return session.scalar(select(RUNS.c.lost_attempts).where(*waits)) or 0


def take_over(session: Session, run_id: str, attempt: int, owner: str = CLOSING_OWNER, lease_s: float = CLOSING_LEASE_S) -> Claim | None:
    """Take a run in order to end it: one that no worker has, whose worker is lost, or whose deadline has passed.

    ``attempt`` is the last one known; None: the run has gone on since.
    """
    return _claimed(TAKE_OVER.one(session, {"run": run_id, "claimed": attempt, "owner": owner, "lease_s": lease_s}))


def _claimed(row: Row | None) -> Claim | None:
    if row is None:
        return None
    facts = dict(zip(FACT_NAMES, row, strict=True))
    # SQLite has no truth values of its own.
    return Claim(**{**facts, "inputs": loads(facts["inputs"]), "wants_speech": bool(facts["wants_speech"])})


#: Fields of ``Claim``, as they are after the statement.
CLAIM_FACTS = (
    RUNS.c.id.label("run_id"),
    RUNS.c.task_id,
    RUNS.c.app_id,
    RUNS.c.workflow_id,
    RUNS.c.workflow_version,
    RUNS.c.end_user_id,
    select(END_USERS.c.session_id).where(END_USERS.c.id == RUNS.c.end_user_id).correlate(RUNS).scalar_subquery().label("user"),
    RUNS.c.sequence_number,
    RUNS.c.trace_id,
    select(PAYLOADS.c.inputs).where(PAYLOADS.c.run_id == RUNS.c.id).correlate(RUNS).scalar_subquery().label("inputs"),
    RUNS.c.attempt,
    RUNS.c.lost_attempts,
    RUNS.c.created_at,
    RUNS.c.started_at,
    (now_s() - RUNS.c.started_at).label("elapsed_s"),
    RUNS.c.deadline_at,
    RUNS.c.last_event,
    RUNS.c.wants_speech,
    RUNS.c.paused_s,
    RUNS.c.trigger_id,
    RUNS.c.queue,
)
FACT_NAMES = tuple(column.key for column in CLAIM_FACTS)

#: Of a run that has not ended. Statements about one run do not say ``finished_at IS NULL``: that would let PostgreSQL prefer the
#: sweeper's small index, full of entries that are dead by now, to the primary key.
IS_OPEN = or_(*(RUNS.c.status == status for status in (RunStatus.SCHEDULED, RunStatus.RUNNING, RunStatus.PAUSED)))
IS_EXPIRED = RUNS.c.lease_until < now_s()
IS_OVERDUE = RUNS.c.paused_at.is_(None) & (RUNS.c.deadline_at < now_s())

#: Seconds since the run was paused; 0 if it is not.
PAUSE_S = func.coalesce(now_s() - RUNS.c.paused_at, 0.0)

NEW_CLAIM = (
    update(RUNS)
    .where(RUNS.c.id == bindparam("run"))
    .values(
        status=RunStatus.RUNNING,
        attempt=RUNS.c.attempt + 1,
        lease_owner=bindparam("owner"),
        lease_until=now_s() + bindparam("lease_s", type_=Float),
        started_at=func.coalesce(RUNS.c.started_at, now_s()),
        deadline_at=func.coalesce(RUNS.c.deadline_at + PAUSE_S, now_s() + RUNS.c.time_limit_s + DEADLINE_GRACE_S),
        paused_s=RUNS.c.paused_s + PAUSE_S,
        paused_at=None,
    )
    .returning(*CLAIM_FACTS)
)

IS_WANTED = (RUNS.c.status == RunStatus.SCHEDULED, RUNS.c.cancel_requested_at.is_(None))

CLAIM = Prepared(NEW_CLAIM.where(*IS_WANTED))

CLAIM_UNSUSPECTED = Prepared(NEW_CLAIM.where(*IS_WANTED, RUNS.c.lost_attempts == 0))

TAKE_OVER = Prepared(
    NEW_CLAIM.where(RUNS.c.attempt == bindparam("claimed"), IS_OPEN, or_(RUNS.c.status != RunStatus.RUNNING, IS_EXPIRED, IS_OVERDUE))
)


def renew(session: Session, owner: str, claims: Sequence[tuple[str, int]], lease_s: float) -> Renewal:
    """Extend the leases of all runs that a process executes, ``(run id, attempt)`` each, and learn what was decided about them."""
    parameters = {"claimed_runs": [run_id for run_id, _ in claims], "owner": owner, "lease_s": lease_s}
    rows = session.execute(RENEW, parameters).all()
    attempts = {row.id: row.attempt for row in rows}
    return Renewal(
        lost={run_id for run_id, attempt in claims if attempts.get(run_id) != attempt},
        stops={row.id for row in rows if row.cancel_requested_at is not None},
    )


RENEW = (
    update(RUNS)
    .where(
        RUNS.c.id.in_(bindparam("claimed_runs", expanding=True)),
        RUNS.c.status == RunStatus.RUNNING,
        RUNS.c.lease_owner == bindparam("owner"),
    )
    .values(lease_until=now_s() + bindparam("lease_s", type_=Float))
    .returning(RUNS.c.id, RUNS.c.attempt, RUNS.c.cancel_requested_at)
)


def save_progress(
    session: Session, run_id: str, attempt: int, records: Sequence[tuple[int, NodeRecord]], events: EventStretch | None
) -> None:
    """Keep node results, ``(position, record)`` each, and the events up to here. Safe to repeat. Raises ``RunFenced``."""
    if not write(session, PROGRESS, run_id, attempt, last=None if events is None else events.last):
        raise RunFenced
    store_history(session, run_id, attempt, records, events)


def finish_run(
    session: Session,
    run_id: str,
    attempt: int,
    finished: RunFinished,
    outputs_json: Mapping[str, Any],
    records: Sequence[tuple[int, NodeRecord]],
    events: EventStretch | None,
    *,
    speech_s: float | None = None,
) -> bool:
    """Write the end of a run, with whatever of it is not stored yet. Safe to repeat.

    ``outputs_json`` is a JSON object, not its text. ``speech_s``: events with speech follow (``save_speech``), for that many seconds at
    most. False: nothing was written, since a stop was requested and ``finished`` is a success; end the run as stopped instead. Raises
    ``RunFenced``.
    """
    statement = FINISH_UNLESS_STOPPED if finished.status in SUCCESSES else FINISH
    values = {"last": None if events is None else events.last, "speech_s": speech_s, "speech_due": speech_s is not None}
    if not write(session, statement, run_id, attempt, **values, **_end_of(finished)):
        return _why_unwritten(session, run_id, attempt, finished.status)
    store_history(session, run_id, attempt, records, events)
    row = STORE_OUTPUTS.one(session, {"run": run_id, "json": dumps(outputs_json)})
    if row is not None and row[0]:
        announce(session, run_id, FINISHED)
    return True


#: Answers on the way whether somebody wants to be told, so that a run that nobody waits for costs no statement more.
STORE_OUTPUTS = Prepared(
    update(PAYLOADS).where(PAYLOADS.c.run_id == bindparam("run")).values(outputs=bindparam("json")).returning(HAS_RECEIVERS)
)


def save_speech(session: Session, run_id: str, attempt: int, events: EventStretch, *, is_end: bool = False) -> None:
    """Keep events that follow the end of a run. Safe to repeat. Raises ``RunFenced``."""
    if not write(session, LAST_SPEECH if is_end else SPEECH, run_id, attempt, last=events.last):
        raise RunFenced
    store_events(session, run_id, events)


def release_run(session: Session, run_id: str, attempt: int) -> bool:
    """Hand a run back, as ``scheduled``, for another worker; its task is to be sent again after the commit.

    False: a stop was requested, so the run is to be ended instead. Raises ``RunFenced``.
    """
    return write(session, RELEASE, run_id, attempt) or _why_unwritten(session, run_id, attempt, RunStatus.SCHEDULED)


OWNED = update(RUNS).where(RUNS.c.id == bindparam("run"), RUNS.c.attempt == bindparam("claimed"), RUNS.c.status == RunStatus.RUNNING)

LAST_EVENT = func.coalesce(bindparam("last", type_=Integer), RUNS.c.last_event)

PROGRESS = Prepared(OWNED.values(last_event=LAST_EVENT))

ENDED = OWNED.values(
    status=bindparam("end_status"),
    error=bindparam("end_error"),
    total_tokens=bindparam("end_tokens"),
    total_steps=bindparam("end_steps"),
    exceptions_count=bindparam("end_exceptions"),
    elapsed_time=bindparam("end_elapsed"),
    finished_at=bindparam("end_at"),
    last_event=LAST_EVENT,
    wants_speech=bindparam("speech_due", type_=Boolean),
    lease_owner=None,
    lease_until=now_s() + bindparam("speech_s", type_=Float),
)

#: The attempt number still tells the writer: nobody claims a run that has ended.
SPOKEN = (
    update(RUNS)
    .where(
        RUNS.c.id == bindparam("run"),
        RUNS.c.attempt == bindparam("claimed"),
        or_(*(RUNS.c.status == status for status in sorted(FINAL_STATUSES))),
    )
    .values(last_event=LAST_EVENT)
)

SPEECH = Prepared(SPOKEN)

LAST_SPEECH = Prepared(SPOKEN.values(wants_speech=False, lease_until=None))

FINISH = Prepared(ENDED)

FINISH_UNLESS_STOPPED = Prepared(ENDED.where(RUNS.c.cancel_requested_at.is_(None)))

UNOWNED = {"status": RunStatus.SCHEDULED, "lease_owner": None, "lease_until": now_s()}

RELEASED = OWNED.where(RUNS.c.cancel_requested_at.is_(None)).values(**UNOWNED)

RELEASE = Prepared(RELEASED)

REQUEUE = Prepared(RELEASED.where(IS_EXPIRED).values(lost_attempts=RUNS.c.lost_attempts + 1))


def write(session: Session, statement: Prepared, run_id: str, attempt: int, **values: Any) -> bool:
    """Change a run in the name of a claim; False if the claim is not in force, or the statement has other conditions."""
    return statement.execute(session, {"run": run_id, "claimed": attempt, **values}) == 1


def _end_of(finished: RunFinished) -> dict[str, Any]:
    return {
        "end_status": finished.status.value,
        "end_error": None if finished.error is None else clean_text(finished.error),
        "end_tokens": finished.total_tokens,
        "end_steps": finished.total_steps,
        "end_exceptions": finished.exceptions_count,
        "end_elapsed": finished.elapsed_s,
        "end_at": finished.finished_at,
    }


def _why_unwritten(session: Session, run_id: str, attempt: int, wanted: RunStatus) -> bool:
    """True: the run is already as wanted, by a commit whose answer got lost. False: it is to be stopped. Raises ``RunFenced``."""
    row = session.execute(
        select(RUNS.c.status, RUNS.c.cancel_requested_at).where(RUNS.c.id == run_id, RUNS.c.attempt == attempt)
    ).one_or_none()
    if row is not None and row.status == wanted:
        return True
    if row is not None and row.status == RunStatus.RUNNING and row.cancel_requested_at is not None:
        return False
    raise RunFenced


def store_history(
    session: Session, run_id: str, attempt: int, records: Sequence[tuple[int, NodeRecord]], events: EventStretch | None
) -> None:
    if records:
        INSERT_NODES.execute_many(session, [_node_row(run_id, attempt, position, record) for position, record in records])
    if events is not None:
        store_events(session, run_id, events)


INSERT_NODES = PreparedInsert(lambda dialect: insert_for(dialect, NodeExecution).on_conflict_do_nothing(index_elements=["id"]))


def _node_row(run_id: str, attempt: int, position: int, record: NodeRecord) -> dict[str, Any]:
    return {
        "id": record.execution_id,
        "run_id": run_id,
        "position": position,
        "attempt": attempt,
        "node_id": clean_text(record.node_id),
        "node_type": record.node_type,
        "title": clean_text(record.title),
        "status": record.status.value,
        "error": None if record.error is None else clean_text(record.error),
        "elapsed_time": record.elapsed_s,
        "total_tokens": record.total_tokens,
        "created_at": record.created_at,
        "finished_at": record.finished_at,
        "record": dumps(dump_record(record)),
    }


def load_records(session: Session, run_id: str) -> list[NodeRecord]:
    """Results of the nodes that have ended, in the order in which they did; their positions are 1, 2, 3 ..."""
    rows = select(NodeExecution.record).where(NodeExecution.run_id == run_id).order_by(NodeExecution.position)
    return [load_record(loads(record)) for record in session.scalars(rows)]
