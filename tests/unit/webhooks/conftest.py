from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.unit.running import accept, claimed, memory_database, success
from worker.bus.memory import MemoryEventLog
from worker.engine.events import RunFinished, RunStarted
from worker.engine.memory import SystemClock
from worker.engine.variables import remote_address
from worker.journal import RunJournal, envelope_of
from worker.store import deliveries, webhooks
from worker.store.deliveries import Delivery, DeliveryFacts
from worker.store.runs import NewRun
from worker.store.sealing import Sealing
from worker.store.session import Database
from worker.store.webhook_secrets import seal_secret
from worker.store.webhooks import lane_of

SECRET = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"

SEALING = Sealing(b"a key")


@pytest.fixture
def database() -> Iterator[Database]:
    made = memory_database()
    yield made
    made.dispose()


def told_to(database: Database, url: str, events: tuple[str, ...] = ()) -> NewRun:
    """A scheduled run of a new app with an endpoint."""
    run = accept(database)
    add_endpoint(database, run, url, events)
    return run


def add_endpoint(database: Database, run: NewRun, url: str, events: tuple[str, ...] = ()) -> None:
    sealed = seal_secret(SEALING, run.app_id, url, SECRET)
    database.transact(lambda session: webhooks.put_endpoint(session, run.app_id, url, events, sealed))


def journal_of(database: Database, run: NewRun) -> RunJournal:
    """The journal of a run that a worker has taken."""
    claim = claimed(database, run)
    return RunJournal(claim, envelope_of(claim, remote_address), database, MemoryEventLog(), SystemClock(), patience_s=0)


def end(database: Database, run: NewRun, **changes: Any) -> RunFinished:
    """Execute a run: a worker begins it, and it succeeds unless the changes say otherwise."""
    journal = journal_of(database, run)
    journal.emit(RunStarted({"q": "v"}, 100.0))
    return journal.finish(success(**changes))


def take(database: Database, run: NewRun, url: str) -> Delivery:
    """The message of a run that is due."""
    with database.begin() as session:
        (found,) = deliveries.claim_due(session, lane_of(run.app_id, url), 10, 60.0)
    return found


def facts(database: Database) -> list[DeliveryFacts]:
    with database.read() as session:
        return deliveries.list_deliveries(session)
