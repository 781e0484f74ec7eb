"""The log of an app's runs: the query of api-contract.md section 2.8."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, func, or_, select
from sqlalchemy.orm import Session

from worker.engine.events import RunStatus
from worker.store.encoding import clean_text, dumps
from worker.store.identifiers import canonical_id
from worker.store.models import EndUser, Run, RunPayload
from worker.store.runs import visible_status

#: Characters of a keyword that count.
KEYWORD_LENGTH = 30

#: Log ids are made from run ids: the same entry has the same id on every page and in every process.
LOG_NAMESPACE = uuid.UUID("5f0c2a52-8ce1-4f0c-9a63-0f3c0f0b5a11")


@dataclass(frozen=True, slots=True)
class LogQuery:
    #: None: of all apps, for an operator.
    app_id: str | None
    keyword: str | None = None
    status: RunStatus | None = None
    #: Epoch seconds, both inclusive.
    created_after: float | None = None
    created_before: float | None = None
    #: The end user's own name.
    session_id: str | None = None
    #: 1-based.
    page: int = 1
    limit: int = 20


@dataclass(frozen=True, slots=True)
class LogEntry:
    """A run with its end user, as the log shows them."""

    log_id: str
    run_id: str
    app_id: str
    workflow_version: str
    #: ``running`` as long as no worker has the run.
    status: RunStatus
    triggered_from: str
    error: str | None
    elapsed_time: float
    total_tokens: int
    total_steps: int
    exceptions_count: int
    created_at: float
    finished_at: float | None
    end_user_id: str
    session_id: str
    is_anonymous: bool


@dataclass(frozen=True, slots=True)
class LogPage:
    #: Entries on all pages.
    total: int
    entries: list[LogEntry]


COLUMNS = (
    Run.id.label("run_id"),
    Run.app_id,
    Run.workflow_version,
    Run.status,
    Run.triggered_from,
    Run.error,
    Run.elapsed_time,
    Run.total_tokens,
    Run.total_steps,
    Run.exceptions_count,
    Run.created_at,
    Run.finished_at,
    Run.end_user_id,
    EndUser.session_id,
    EndUser.is_anonymous,
)


def query_logs(session: Session, query: LogQuery) -> LogPage:
    """One page, newest first; ties are broken by id, so that pages never overlap."""
    total = session.execute(_matching(select(func.count()).select_from(Run), query)).scalar_one()
    newest_first = _matching(select(*COLUMNS), query).order_by(Run.created_at.desc(), Run.id.desc())
    rows = session.execute(newest_first.limit(query.limit).offset((query.page - 1) * query.limit))
    return LogPage(total, [_entry(row._mapping) for row in rows])


def _entry(facts: Any) -> LogEntry:
    log_id = str(uuid.uuid5(LOG_NAMESPACE, facts["run_id"]))
    return LogEntry(**{**facts, "log_id": log_id, "status": visible_status(facts["status"])})


def _matching(statement: Select[*tuple[Any, ...]], query: LogQuery) -> Select[*tuple[Any, ...]]:
    user = None if query.session_id is None else clean_text(query.session_id)
    conditions = [
        Run.app_id == query.app_id if query.app_id is not None else None,
        Run.status == query.status if query.status is not None else None,
        Run.created_at >= query.created_after if query.created_after is not None else None,
        Run.created_at <= query.created_before if query.created_before is not None else None,
        EndUser.session_id == user if user is not None else None,
    ]
    given = [condition for condition in conditions if condition is not None]
    statement = statement.join(EndUser, EndUser.id == Run.end_user_id).where(*given)
    return _with_keyword(statement, query.keyword) if query.keyword else statement


def _with_keyword(statement: Select[*tuple[Any, ...]], keyword: str) -> Select[*tuple[Any, ...]]:
    """Runs that hold the keyword in inputs, outputs or their end user's name, whatever its case, or that go by it."""
    text = clean_text(keyword[:KEYWORD_LENGTH])
    # Inputs and outputs are JSON texts: a quotation mark, say, is stored with a backslash.
    stored = dumps(text)[1:-1]
    return statement.join(RunPayload, RunPayload.run_id == Run.id).where(
        or_(
            RunPayload.inputs.icontains(stored, autoescape=True),
            RunPayload.outputs.icontains(stored, autoescape=True),
            EndUser.session_id.icontains(text, autoescape=True),
            Run.id == canonical_id(keyword),
        )
    )
