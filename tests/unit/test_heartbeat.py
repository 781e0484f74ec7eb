import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import update

from tests.unit.running import LEASE_S, accept, change, claimed, memory_database
from worker.active import ActiveRun, ActiveRuns
from worker.engine.errors import RunFenced, RunStopped
from worker.engine.events import RunFinished, RunStatus
from worker.engine.inbox import Inbox
from worker.heartbeat import Heartbeat
from worker.store.claims import finish_run
from worker.store.errors import StorageUnavailable
from worker.store.models import RUNS
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


class RacingDatabase(Database):
    """Something happens after a beat has listed the claims, and before it renews them."""

    def __init__(self, database: Database, race: Callable[[], None]) -> None:
        super().__init__(database.engine)
        self._race = race

    def transact(self, work: Any) -> Any:
        self._race()
        return super().transact(work)


def ending(database: Database) -> tuple[ActiveRuns, ActiveRun]:
    run = accept(database)
    active, member = ActiveRuns(), ActiveRun(run.run_id, claimed(database, run).attempt, Inbox(), leased_at=0.0)
    active.add(member)
    return active, member


def end(database: Database, member: ActiveRun) -> None:
    member.is_ending = True
    finished = RunFinished(
        status=RunStatus.SUCCEEDED,
        outputs={},
        error=None,
        elapsed_s=1.0,
        total_tokens=0,
        total_steps=1,
        exceptions_count=0,
        created_at=1.0,
        finished_at=2.0,
    )
    with database.begin() as session:
        assert finish_run(session, member.run_id, member.attempt, finished, {}, [], None)


@pytest.mark.parametrize("is_removed", [False, True])
def test_a_run_that_ends_during_a_beat_is_not_lost(database: Database, caplog: pytest.LogCaptureFixture, is_removed: bool) -> None:
    active, member = ending(database)

    def finish() -> None:
        end(database, member)
        if is_removed:
            active.remove(member)

    Heartbeat(RacingDatabase(database, finish), active, "worker-1", LEASE_S).beat()

    assert caplog.messages == []
    member.inbox.check()


def test_a_run_is_kept_while_its_end_is_written(database: Database) -> None:
    active, member = ending(database)
    member.is_ending = True

    Heartbeat(database, active, "worker-1", LEASE_S).beat()

    assert member.leased_at > 0


def test_a_run_that_is_lost_in_earnest_is_told(database: Database, caplog: pytest.LogCaptureFixture) -> None:
    active, member = ending(database)
    with database.begin() as session:
        session.execute(update(RUNS).values(status=RunStatus.SCHEDULED))

    Heartbeat(database, active, "worker-1", LEASE_S).beat()

    assert caplog.messages == [f"Run {member.run_id} is lost to this worker (attempt 1)."]
