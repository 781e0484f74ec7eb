import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.unit.running import LEASE_S, accept, change, claimed, memory_database
from worker.active import ActiveRun, ActiveRuns
from worker.engine.errors import RunFenced, RunStopped
from worker.engine.events import RunStatus
from worker.engine.inbox import Inbox
from worker.heartbeat import Heartbeat
from worker.store.errors import StorageUnavailable
from worker.store.session import Database


@pytest.fixture
def database() -> Iterator[Database]:
    made = memory_database()
    yield made
    made.dispose()


def test_one_beat_renews_stops_and_fences(database: Database) -> None:
    runs = [accept(database) for _ in range(3)]
    active = ActiveRuns()
    members = []
    for run in runs:
        member = ActiveRun(run.run_id, claimed(database, run).attempt, Inbox(), leased_at=0.0)
        members.append(member)
        active.add(member)
    healthy, stopped, lost = members
    change(database, runs[1], cancel_requested_at=1.0)
    change(database, runs[2], status=RunStatus.SCHEDULED)

    Heartbeat(database, active, "worker-1", LEASE_S).beat()

    healthy.inbox.check()
    assert healthy.leased_at > 0
    with pytest.raises(RunStopped):
        stopped.inbox.check()
    with pytest.raises(RunFenced):
        lost.inbox.check()


def test_without_a_database_runs_go_on_until_their_leases_are_over() -> None:
    class Away(Database):
        def __init__(self) -> None:
            """No engine: nothing answers."""

        def transact(self, work: Any) -> Any:
            raise StorageUnavailable("gone")

    now = time.monotonic()
    fresh, expired = ActiveRun("1", 1, Inbox(), now), ActiveRun("2", 1, Inbox(), now - LEASE_S - 1)
    active = ActiveRuns()
    active.add(fresh)
    active.add(expired)

    Heartbeat(Away(), active, "worker-1", LEASE_S).beat()

    fresh.inbox.check()
    with pytest.raises(RunFenced):
        expired.inbox.check()
