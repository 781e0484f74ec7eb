"""Requests that name themselves, so that sending one twice makes one run (reliability.md section 1.9).

A key is kept in the transaction that stores its run: there is never one without the other. Where two requests arrive together, the
database itself makes the second one wait for the first.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import ColumnElement, delete, func, select, tuple_
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from worker.store.clock import now_s
from worker.store.encoding import clean_text
from worker.store.errors import KeyInProgress, KeyReused
from worker.store.models import IDEMPOTENCY_KEYS, RUNS, IdempotencyKey
from worker.store.runs import NewRun, accept_run
from worker.store.upsert import insert_or

#: Seconds for which a key stands for its run.
KEPT_S = 24 * 3600.0

#: Seconds that a request waits for another one that is storing the same key.
PATIENCE_S = 5.0

#: SQLSTATE ``lock_not_available``: what PostgreSQL says when ``lock_timeout`` has passed.
LOCK_NOT_AVAILABLE = "55P03"


@dataclass(frozen=True, slots=True)
class Submission:
    """A request with a key: the same app, endpoint and key mean the same request, if the fingerprint agrees."""

    app_id: str
    #: Path of the request, in lower case.
    endpoint: str
    key: str
    #: SHA-256 hex of the request's body in canonical form.
    fingerprint: str


@dataclass(frozen=True, slots=True)
class KeyedRun:
    """The run that a key stands for."""

    run_id: str
    task_id: str
    workflow_id: str
    created_at: float


def find_keyed_run(session: Session, submission: Submission) -> KeyedRun | None:
    """The run of an earlier request; None: there is none, or it is more than a day old. Raises ``KeyReused``."""
    return _read(session, submission, IS_KEPT)


def accept_keyed_run(session: Session, run: NewRun, submission: Submission, patience_s: float = PATIENCE_S) -> KeyedRun:
    """Store a run under a key, or find the one that the key stands for already: they differ in their ids then.

    Safe to repeat. Raises ``KeyInProgress`` when somebody else takes longer than ``patience_s`` to store the same key, ``KeyReused``,
    and ``NotFound`` if the app is gone.
    """
    if _reserve(session, submission, run.run_id, patience_s):
        accept_run(session, run)
    found = _read(session, submission)
    assert found is not None, "stored in this transaction, or one that ended before"
    return found


def forget_old_keys(session: Session, limit: int = 500) -> int:
    """Remove keys that stand for nothing any more, oldest first, ``limit`` at most; answers how many."""
    row_id = tuple_(*IDEMPOTENCY_KEYS.primary_key.columns)
    oldest = select(*IDEMPOTENCY_KEYS.primary_key.columns).where(~IS_KEPT).order_by(IDEMPOTENCY_KEYS.c.created_at).limit(limit)
    gone = session.execute(delete(IDEMPOTENCY_KEYS).where(row_id.in_(oldest)).returning(IDEMPOTENCY_KEYS.c.key))
    return len(gone.all())


IS_KEPT = IDEMPOTENCY_KEYS.c.created_at >= now_s() - KEPT_S

KEYED_RUN = select(IDEMPOTENCY_KEYS.c.run_id, RUNS.c.task_id, RUNS.c.workflow_id, RUNS.c.created_at, IDEMPOTENCY_KEYS.c.fingerprint).join(
    RUNS, RUNS.c.id == IDEMPOTENCY_KEYS.c.run_id
)


def _read(session: Session, submission: Submission, *conditions: ColumnElement[bool]) -> KeyedRun | None:
    keys = IDEMPOTENCY_KEYS.c
    names = (keys.app_id == submission.app_id, keys.endpoint == submission.endpoint, keys.key == clean_text(submission.key))
    row = session.execute(KEYED_RUN.where(*names, *conditions)).one_or_none()
    if row is None:
        return None
    if row.fingerprint != submission.fingerprint:
        raise KeyReused("This Idempotency-Key came with another body before.")
    return KeyedRun(row.run_id, row.task_id, row.workflow_id, row.created_at)


def _reserve(session: Session, submission: Submission, run_id: str, patience_s: float) -> bool:
    """Take the key for a run. False: it stands for another one. Waits for a transaction that has it in hand."""
    row = {"run_id": run_id, "fingerprint": submission.fingerprint, "created_at": now_s()}
    insert = insert_or(session, IdempotencyKey).values(
        app_id=submission.app_id, endpoint=submission.endpoint, key=clean_text(submission.key), **row
    )
    insert = insert.on_conflict_do_update(index_elements=["app_id", "endpoint", "key"], set_=row, where=~IS_KEPT)
    _bound_waiting(session, patience_s)
    try:
        return session.execute(insert.returning(IDEMPOTENCY_KEYS.c.run_id)).one_or_none() is not None
    except OperationalError as error:
        if getattr(error.orig, "sqlstate", None) == LOCK_NOT_AVAILABLE:
            raise KeyInProgress("A request with the same Idempotency-Key is still being accepted.") from error
        raise


def _bound_waiting(session: Session, patience_s: float) -> None:
    """For the rest of the transaction. SQLite has one writer at a time, for whom all others wait at the beginning of theirs."""
    if session.get_bind().dialect.name == "postgresql":
        session.execute(select(func.set_config("lock_timeout", f"{patience_s * 1000:.0f}", True)))
