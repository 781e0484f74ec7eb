from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import insert, select

from tests.unit.running import AbsentDatabase, accept, change, claimed, detail, kinds, memory_database, stored, told
from worker.broker import BATCH_QUEUE
from worker.bus.memory import MemoryEventLog
from worker.config import Config
from worker.dispatcher import MemoryDispatcher
from worker.engine.events import RunStatus
from worker.engine.variables import remote_address
from worker.store.models import IDEMPOTENCY_KEYS
from worker.store.runs import NewRun, active_status
from worker.store.session import Database
from worker.sweeper import QUEUE_ROOM, Sweeper


@pytest.fixture
def database() -> Iterator[AbsentDatabase]:
    made = memory_database()
    yield AbsentDatabase(made.engine)
    made.dispose()


@pytest.fixture
def log() -> MemoryEventLog:
    return MemoryEventLog()


@pytest.fixture
def dispatcher() -> MemoryDispatcher:
    return MemoryDispatcher()


def sweeper_of(database: Database, log: MemoryEventLog, dispatcher: MemoryDispatcher, owner: str = "one") -> Sweeper:
    return Sweeper(database, log, dispatcher, Config(), owner, lambda app_id: remote_address)


@pytest.fixture
def sweeper(database: Database, log: MemoryEventLog, dispatcher: MemoryDispatcher) -> Sweeper:
    return sweeper_of(database, log, dispatcher)


def lost_run(database: Database, losses_before: int = 0, **values: Any) -> NewRun:
    """A run whose worker has not renewed its lease."""
    run = accept(database)
    claimed(database, run)
    change(database, run, lease_until=1.0, lost_attempts=losses_before, **values)
    return run


def status(database: Database, run: NewRun) -> RunStatus:
    with database.read() as session:
        return active_status(session, [run.run_id])[run.run_id]


def test_a_run_that_nobody_claimed_is_sent_again_once(database: Database, sweeper: Sweeper, dispatcher: MemoryDispatcher) -> None:
    fresh, forgotten = accept(database), accept(database)
    change(database, forgotten, lease_until=1.0)

    sweeper.sweep()
    sweeper.sweep()

    assert dispatcher.sent == [(forgotten.run_id, forgotten.task_id)]
    assert status(database, fresh) is RunStatus.SCHEDULED


def test_a_run_of_a_batch_is_sent_into_its_own_queue(database: Database, sweeper: Sweeper, dispatcher: MemoryDispatcher) -> None:
    forgotten, lost = accept(database), lost_run(database)
    change(database, forgotten, lease_until=1.0, queue=BATCH_QUEUE)
    change(database, lost, queue=BATCH_QUEUE)

    sweeper.sweep()

    assert dispatcher.queues == {forgotten.run_id: BATCH_QUEUE, lost.run_id: BATCH_QUEUE}


@pytest.mark.parametrize("waiting", [QUEUE_ROOM, None])
def test_nothing_is_sent_again_while_the_queue_is_long_or_away(
    database: Database, sweeper: Sweeper, dispatcher: MemoryDispatcher, waiting: int | None
) -> None:
    change(database, accept(database), lease_until=1.0)
    dispatcher.waiting = waiting

    sweeper.sweep()

    assert dispatcher.sent == []


def test_a_run_that_lost_its_worker_goes_to_another_one(database: Database, sweeper: Sweeper, dispatcher: MemoryDispatcher) -> None:
    run = lost_run(database)

    sweeper.sweep()

    assert dispatcher.sent == [(run.run_id, run.task_id)]
    assert status(database, run) is RunStatus.SCHEDULED
    assert claimed(database, run).lost_attempts == 1


def test_a_run_that_keeps_losing_workers_is_failed(
    database: Database, sweeper: Sweeper, log: MemoryEventLog, dispatcher: MemoryDispatcher
) -> None:
    run = lost_run(database, losses_before=2)

    sweeper.sweep()

    seen = detail(database, run)
    assert (seen.status, seen.error) == (RunStatus.FAILED, "Aborted: the worker that executed the run was lost 3 times.")
    assert kinds(told(log, run)) == ["workflow_started", "workflow_finished"]
    assert stored(database, run) == told(log, run)
    assert dispatcher.sent == []


def test_a_lost_run_that_is_to_be_stopped_is_stopped(database: Database, sweeper: Sweeper, log: MemoryEventLog) -> None:
    run = lost_run(database, cancel_requested_at=1.0)

    sweeper.sweep()

    seen = detail(database, run)
    assert (seen.status, seen.error) == (RunStatus.STOPPED, "Stopped by user.")
    assert told(log, run)[-1]["data"]["status"] == "stopped"


def test_a_run_past_its_deadline_is_failed_although_its_worker_lives(database: Database, sweeper: Sweeper, log: MemoryEventLog) -> None:
    run = accept(database)
    claimed(database, run)
    change(database, run, deadline_at=1.0)

    sweeper.sweep()

    seen = detail(database, run)
    assert seen.status is RunStatus.FAILED
    assert seen.error is not None
    assert seen.error.startswith("Aborted: Maximum execution time exceeded: ")
    assert kinds(told(log, run)) == ["workflow_started", "workflow_finished"]


def test_healthy_runs_are_left_alone(database: Database, sweeper: Sweeper, dispatcher: MemoryDispatcher) -> None:
    run = accept(database)
    claimed(database, run)

    sweeper.sweep()

    assert (status(database, run), dispatcher.sent) == (RunStatus.RUNNING, [])


def test_only_one_sweeper_works_and_another_follows_when_it_resigns(
    database: Database, sweeper: Sweeper, log: MemoryEventLog, dispatcher: MemoryDispatcher
) -> None:
    sweeper.sweep()
    other = sweeper_of(database, log, dispatcher, "two")
    lost_run(database)

    other.sweep()
    assert dispatcher.sent == []

    sweeper.resign()
    other.sweep()
    assert len(dispatcher.sent) == 1


def test_after_an_outage_of_the_database_the_living_may_renew_first(
    database: AbsentDatabase, sweeper: Sweeper, dispatcher: MemoryDispatcher
) -> None:
    run = lost_run(database)
    database.is_away = True
    sweeper.sweep()
    database.is_away = False

    sweeper.sweep()

    assert (status(database, run), dispatcher.sent) == (RunStatus.RUNNING, [])


def test_idempotency_keys_are_forgotten_after_a_day(database: Database, sweeper: Sweeper, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("worker.sweeper.KEYS_AT_A_TIME", 2)
    run = accept(database)
    with database.begin() as session:
        for number, created_at in enumerate([1.0, 1.0, 1.0, 1.0, 1.0, 4e9]):
            key = {"app_id": run.app_id, "endpoint": "/", "key": str(number), "fingerprint": "", "run_id": run.run_id}
            session.execute(insert(IDEMPOTENCY_KEYS).values(**key, created_at=created_at))

    sweeper.sweep()

    with database.read() as session:
        assert session.scalars(select(IDEMPOTENCY_KEYS.c.key)).all() == ["5"]
