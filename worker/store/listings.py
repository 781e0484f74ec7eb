"""What operators page through. A page goes on behind the keys of the last row before it, so it costs the same wherever it stands.

Each function answers at most ``limit`` rows, and the keys of the last one if more follow.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from sqlalchemy import ColumnElement, Select, select, tuple_
from sqlalchemy.orm import Session

from worker.engine.events import RunStatus
from worker.store.encoding import clean_text
from worker.store.models import ApiKey, App, EndUser, ModelProvider, Run, ToolProvider, WebhookEndpoint, Workflow
from worker.store.schedule_models import Schedule
from worker.store.webhooks import OF_RUNS

T = TypeVar("T")

#: Values of the columns that order a list, of one row.
Keys = tuple[Any, ...]

#: Runs that one page looks at, at most: filters that fit few of many runs must not read them all.
SCANNED = 10_000


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    items: list[T]
    #: Where the next page goes on; None: this is the last one.
    next: Keys | None


def page_apps(session: Session, after: Keys | None, limit: int, name: str | None = None) -> Page[App]:
    """By name; ``name``: only those that have this in their names, whatever its case. Keys: name, id."""
    statement = select(App)
    if name:
        statement = statement.where(App.name.icontains(clean_text(name), autoescape=True))
    return _entities(session, statement, (App.name, App.id), after, limit)


def page_versions(session: Session, app_id: str, after: Keys | None, limit: int) -> Page[Any]:
    """Versions of an app without their documents, newest first. Keys: time, id."""
    columns = (Workflow.id, Workflow.version, Workflow.content_hash, Workflow.marked_name, Workflow.marked_comment, Workflow.created_at)
    return _rows(session, select(*columns).where(Workflow.app_id == app_id), (Workflow.created_at, Workflow.id), after, limit, is_down=True)


def page_keys(session: Session, app_id: str, after: Keys | None, limit: int) -> Page[ApiKey]:
    """API keys of an app, revoked ones too, oldest first. Keys: time, id."""
    return _entities(session, select(ApiKey).where(ApiKey.app_id == app_id), (ApiKey.created_at, ApiKey.id), after, limit)


def page_webhooks(session: Session, app_id: str | None, after: Keys | None, limit: int) -> Page[WebhookEndpoint]:
    """Endpoints with an address, of one app or of all, oldest first. Keys: time, id."""
    statement = select(WebhookEndpoint).where(WebhookEndpoint.url != OF_RUNS)
    if app_id is not None:
        statement = statement.where(WebhookEndpoint.app_id == app_id)
    return _entities(session, statement, (WebhookEndpoint.created_at, WebhookEndpoint.id), after, limit)


def page_schedules(session: Session, app_id: str | None, after: Keys | None, limit: int) -> Page[Schedule]:
    """Schedules of one app or of all, oldest first. Keys: time, id."""
    statement = select(Schedule) if app_id is None else select(Schedule).where(Schedule.app_id == app_id)
    return _entities(session, statement, (Schedule.created_at, Schedule.id), after, limit)


def page_model_providers(session: Session, after: Keys | None, limit: int) -> Page[ModelProvider]:
    """Stored ones, by name, which is the key."""
    return _entities(session, select(ModelProvider), (ModelProvider.name,), after, limit)


def page_tool_providers(session: Session, after: Keys | None, limit: int) -> Page[ToolProvider]:
    """Registered ones, by name, which is the key."""
    return _entities(session, select(ToolProvider), (ToolProvider.name,), after, limit)


@dataclass(frozen=True, slots=True)
class RunFilter:
    """Which runs; None: whatever it is."""

    app_id: str | None = None
    status: RunStatus | None = None
    #: Epoch seconds, both inclusive.
    created_after: float | None = None
    created_before: float | None = None
    #: The end user's own name.
    user: str | None = None


#: Of a run in a list, as it is stored: ``scheduled`` too.
RUN_COLUMNS = (
    Run.id.label("run_id"),
    Run.task_id,
    Run.app_id,
    Run.workflow_id,
    Run.workflow_version,
    Run.end_user_id,
    Run.status,
    Run.triggered_from,
    Run.error,
    Run.elapsed_time,
    Run.total_tokens,
    Run.total_steps,
    Run.created_at,
    Run.started_at,
    Run.finished_at,
    Run.attempt,
    Run.resumed_from,
)


def page_runs(session: Session, wanted: RunFilter, after: Keys | None, limit: int) -> Page[Any]:
    """Runs, newest first. Keys: time, id.

    Of the runs that app and times leave, ``SCANNED`` are looked at: a page may have less than ``limit`` runs, or none, and yet another
    behind it.
    """
    is_sifted = wanted.status is not None or wanted.user is not None
    looked_at = SCANNED if is_sifted else limit + 1
    window = _newest_first(_in_range(select(*RUN_COLUMNS), wanted), after).limit(looked_at).subquery("looked_at")
    found = select(*window.c, EndUser.session_id.label("user")).join(EndUser, EndUser.id == window.c.end_user_id)
    if wanted.status is not None:
        found = found.where(window.c.status == wanted.status)
    if wanted.user is not None:
        found = found.where(EndUser.session_id == clean_text(wanted.user))
    rows = session.execute(found.order_by(window.c.created_at.desc(), window.c.run_id.desc()).limit(limit + 1)).all()
    if len(rows) > limit:
        return Page(list(rows[:limit]), (rows[limit - 1].created_at, rows[limit - 1].run_id))
    last = session.execute(select(window.c.created_at, window.c.run_id).order_by(*_down(window)).offset(looked_at - 1).limit(1)).first()
    return Page(list(rows), None if last is None else tuple(last))


def _down(window: Any) -> tuple[ColumnElement[Any], ColumnElement[Any]]:
    return window.c.created_at.desc(), window.c.run_id.desc()


def _in_range(statement: Select[*tuple[Any, ...]], wanted: RunFilter) -> Select[*tuple[Any, ...]]:
    if wanted.app_id is not None:
        statement = statement.where(Run.app_id == wanted.app_id)
    if wanted.created_after is not None:
        statement = statement.where(Run.created_at >= wanted.created_after)
    if wanted.created_before is not None:
        statement = statement.where(Run.created_at <= wanted.created_before)
    return statement


def _newest_first(statement: Select[*tuple[Any, ...]], after: Keys | None) -> Select[*tuple[Any, ...]]:
    return _behind(statement, (Run.created_at, Run.id), after, is_down=True)


def _behind(statement: Select[*tuple[Any, ...]], columns: Sequence[Any], after: Keys | None, is_down: bool) -> Select[*tuple[Any, ...]]:
    """Ordered by the columns, beginning behind these keys."""
    if after is not None:
        here = tuple_(*columns)
        statement = statement.where(here < after if is_down else here > after)
    return statement.order_by(*(column.desc() if is_down else column for column in columns))


def _entities(session: Session, statement: Select[T], columns: Sequence[Any], after: Keys | None, limit: int) -> Page[T]:
    rows = list(session.scalars(_behind(statement, columns, after, is_down=False).limit(limit + 1)))
    return _page(rows, columns, limit)


def _rows(session: Session, statement: Any, columns: Sequence[Any], after: Keys | None, limit: int, *, is_down: bool) -> Page[Any]:
    rows = list(session.execute(_behind(statement, columns, after, is_down).limit(limit + 1)))
    return _page(rows, columns, limit)


def _page(rows: list[Any], columns: Sequence[Any], limit: int) -> Page[Any]:
    shown = rows[:limit]
    return Page(shown, tuple(getattr(shown[-1], column.key) for column in columns) if len(rows) > limit else None)
