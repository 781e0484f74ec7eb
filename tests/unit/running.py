"""Runs in a database in memory: what the tests of journal, runner, closing and sweeper begin with."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from sqlalchemy import update

from worker.bus.memory import MemoryEventLog
from worker.config import Config
from worker.engine.events import NodeFinished, NodeStarted, NodeStatus, RunFinished, RunStatus
from worker.engine.record import NodeRecord
from worker.store.apps import Profile, create_app, publish
from worker.store.claims import Claim, claim
from worker.store.end_users import ensure_end_user
from worker.store.errors import StorageUnavailable
from worker.store.events import read_events
from worker.store.models import RUNS
from worker.store.runs import NewRun, RunDetail, accept_run, get_run
from worker.store.session import Database
from worker.store.tables import Base

LEASE_S = 30.0

DOCUMENT: dict[str, Any] = {"app": {"name": "Empty", "mode": "workflow"}, "workflow": {"graph": {"nodes": [], "edges": []}}}


class AbsentDatabase(Database):
    """Refuses to write while ``is_away``."""

    is_away = False

    def transact(self, work: Any) -> Any:
        if self.is_away:
            raise StorageUnavailable("gone")
        return super().transact(work)


def memory_database() -> Database:
    """A database with the tables of this release; the caller disposes of it."""
    database = Database.connect(Config(database_url="sqlite://"))
    Base.metadata.create_all(database.engine)
    return database


def accept(database: Database, document: Mapping[str, Any] = DOCUMENT, inputs: Mapping[str, Any] | None = None) -> NewRun:
    """A scheduled run of a new app."""
    with database.begin() as session:
        app = create_app(session, Profile("App"))
        version, _ = publish(session, app.id, document, uuid.uuid4().hex)
        run = NewRun(
            run_id=str(uuid.uuid4()),
            task_id=str(uuid.uuid4()),
            app_id=app.id,
            workflow_id=version.id,
            workflow_version=version.version,
            end_user_id=ensure_end_user(session, app.id, "alice"),
            inputs={**(inputs or {"q": "v"}), "sys.user_id": "alice", "sys.timestamp": 5},
            time_limit_s=1200.0,
        )
        accept_run(session, run)
    return run


def claimed(database: Database, run: NewRun, owner: str = "worker-1") -> Claim:
    with database.begin() as session:
        found = claim(session, run.run_id, owner, LEASE_S)
    assert found is not None
    return found


def change(database: Database, run: NewRun, **values: Any) -> None:
    """Make a run look as if something had happened to it."""
    with database.begin() as session:
        session.execute(update(RUNS).where(RUNS.c.id == run.run_id).values(**values))


def detail(database: Database, run: NewRun) -> RunDetail:
    with database.read() as session:
        found = get_run(session, run.app_id, run.run_id)
    assert found is not None
    return found


def told(log: MemoryEventLog, run: NewRun) -> list[dict[str, Any]]:
    """Events that readers of the log see."""
    entries = log.read(run.run_id, 0, 10_000)
    assert [entry.number for entry in entries] == list(range(1, len(entries) + 1))
    return [json.loads(entry.frame) for entry in entries]


def stored(database: Database, run: NewRun) -> list[dict[str, Any]]:
    """Events that SQL has."""
    with database.read() as session:
        events = read_events(session, run.run_id)
    assert [number for number, _ in events] == list(range(1, len(events) + 1))
    return [json.loads(frame) for _, frame in events]


def kinds(events: list[dict[str, Any]]) -> list[str]:
    return [event["event"] for event in events]


def record(name: str, index: int = 1, **changes: Any) -> NodeRecord:
    made = NodeRecord(
        execution_id=name,
        node_id=name,
        node_type="code",
        title=name.upper(),
        index=index,
        predecessor_node_id=None,
        status=NodeStatus.SUCCEEDED,
        inputs={},
        process_data={},
        outputs={"out": name},
        error=None,
        handle="source",
        attempts=1,
        elapsed_s=0.1,
        created_at=100.0,
        finished_at=101.0,
    )
    return replace(made, **changes)


def started(name: str, index: int = 1) -> NodeStarted:
    return record(name, index).started_event()


def finished(name: str, index: int = 1) -> NodeFinished:
    return record(name, index).finished_event()


def success(**changes: Any) -> RunFinished:
    made = RunFinished(
        status=RunStatus.SUCCEEDED,
        outputs={"answer": 1},
        error=None,
        elapsed_s=1.5,
        total_tokens=0,
        total_steps=2,
        exceptions_count=0,
        created_at=100.0,
        finished_at=102.0,
    )
    return replace(made, **changes)
