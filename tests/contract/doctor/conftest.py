"""A deployment in good order on each database, with a real Redis: tests harm it in one way each."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import redis
from sqlalchemy import text, update

from tests.unit.running import LEASE_S, accept, claimed, finished, record, started, success
from worker.bus.connection import connect
from worker.bus.events import EventLog
from worker.config import Config
from worker.doctor import Finding, examine
from worker.engine.events import RunStarted
from worker.engine.memory import SystemClock
from worker.engine.variables import remote_address
from worker.journal import RunJournal, envelope_of
from worker.store.migrate import upgrade
from worker.store.models import RUNS
from worker.store.runs import NewRun
from worker.store.session import Database
from worker.store.tables import Base


@dataclass(frozen=True, slots=True)
class Clinic:
    config: Config
    database: Database
    client: redis.Redis

    @property
    def log(self) -> EventLog:
        return EventLog(self.client, self.config)

    def findings(self, **options: Any) -> list[Finding]:
        return list(examine(self.config, self.database, self.client, **options))

    def found(self, **options: Any) -> list[tuple[str, str]]:
        """Check and subject of each finding."""
        return [(finding.check, finding.subject) for finding in self.findings(**options)]

    def scheduled(self) -> NewRun:
        return accept(self.database)

    def running(self) -> tuple[NewRun, RunJournal]:
        """A run with one node that has ended, and one that has not."""
        run = self.scheduled()
        claim = claimed(self.database, run)
        journal = RunJournal(claim, envelope_of(claim, remote_address), self.database, self.log, SystemClock(), patience_s=LEASE_S)
        journal.emit(RunStarted({"q": "v"}, claim.created_at))
        self.end_node(journal, run, "a", 1)
        journal.emit(started(f"{run.run_id[:8]}-b", 2))
        journal.flush()
        return run, journal

    def ended(self, **changes: Any) -> NewRun:
        """A run with two nodes."""
        run, journal = self.running()
        node = record(f"{run.run_id[:8]}-b", 2)
        journal.record(node, durable=False)
        journal.emit(node.finished_event())
        journal.finish(success(**changes))
        return run

    def end_node(self, journal: RunJournal, run: NewRun, name: str, index: int) -> None:
        node = record(f"{run.run_id[:8]}-{name}", index)
        journal.emit(started(node.execution_id, index))
        journal.record(node, durable=True)
        journal.emit(finished(node.execution_id, index))

    def change(self, run: NewRun, **values: Any) -> None:
        with self.database.begin() as session:
            session.execute(update(RUNS).where(RUNS.c.id == run.run_id).values(**values))

    def execute(self, *statements: str, **values: Any) -> None:
        """Do what no part of the product would."""
        with self.database.begin() as session:
            for statement in statements:
                session.execute(text(statement), values)

    def delete_unbound(self, table: str, row_id: str) -> None:
        """Delete a row past the foreign keys, as a tool does that does not mind them."""
        off, on = SWITCHES[self.database.dialect]
        with contextlib.closing(self.database.engine.raw_connection()) as connection:
            for statement in (off, f"DELETE FROM {table} WHERE id = '{row_id}'", on):
                connection.cursor().execute(statement)
            connection.commit()


#: How each database is told to forget its foreign keys, and to mind them again.
SWITCHES = {
    "sqlite": ("PRAGMA foreign_keys = OFF", "PRAGMA foreign_keys = ON"),
    "postgresql": ("SET session_replication_role = replica", "SET session_replication_role = DEFAULT"),
}


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def clean_database(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, new_postgres_database: Callable[[], str]
) -> Iterator[tuple[str, Database]]:
    is_file = request.param == "sqlite"
    url = f"sqlite:///{tmp_path_factory.mktemp('doctor') / 'test.sqlite3'}" if is_file else new_postgres_database()
    config = Config(database_url=url)
    upgrade(config)
    database = Database.connect(config)
    yield url, database
    database.dispose()


@pytest.fixture
def clinic(clean_database: tuple[str, Database], redis_url: str, tmp_path: Path) -> Iterator[Clinic]:
    url, database = clean_database
    with database.begin() as session:
        for table in reversed(Base.metadata.sorted_tables):
            session.execute(table.delete())
    config = Config(database_url=url, redis_url=redis_url, data_dir=tmp_path)
    client = connect(config)
    yield Clinic(config, database, client)
    client.close()
