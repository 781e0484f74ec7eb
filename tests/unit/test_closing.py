from collections.abc import Iterator
from typing import Any

import pytest
import redis

from tests.unit.running import accept, change, claimed, detail, kinds, memory_database, record, stored, told
from worker.bus.memory import MemoryCommands, MemoryEventLog
from worker.closing import close_run, stop_run
from worker.engine.events import RunStarted, RunStatus
from worker.engine.memory import SystemClock
from worker.engine.variables import remote_address
from worker.journal import RunJournal, envelope_of
from worker.store.claims import Claim, release_run
from worker.store.runs import NewRun
from worker.store.session import Database


@pytest.fixture
def database() -> Iterator[Database]:
    made = memory_database()
    yield made
    made.dispose()


@pytest.fixture
def log() -> MemoryEventLog:
    return MemoryEventLog()


@pytest.fixture
def run(database: Database) -> NewRun:
    return accept(database)


def stop(database: Database, log: MemoryEventLog, run: NewRun, asked: list[str] | None = None, **changes: Any) -> Any:
    commands = MemoryCommands((asked if asked is not None else []).append)
    where = {"app_id": run.app_id, "task_id": run.task_id, **changes}
    return stop_run(database, log, commands, remote_address, **where)


def worked_on(database: Database, log: MemoryEventLog, run: NewRun) -> Claim:
    """A claim that has told the start of the run and stored a node."""
    claim = claimed(database, run)
    journal = RunJournal(claim, envelope_of(claim, remote_address), database, log, SystemClock(), patience_s=0)
    journal.emit(RunStarted({"q": "v"}, claim.created_at))
    journal.record(record("e", node_type="end", outputs={"x": 1}), durable=True)
    journal.flush()
    return claim


def test_a_queued_run_is_stopped_with_a_start_and_an_end(database: Database, log: MemoryEventLog, run: NewRun) -> None:
    asked: list[str] = []
    found = stop(database, log, run, asked)

    assert (found.run_id, found.task_id, asked) == (run.run_id, run.task_id, [])
    events = told(log, run)
    assert kinds(events) == ["workflow_started", "workflow_finished"]
    assert events[0]["data"]["inputs"] == {"q": "v", "sys.user_id": "alice"}
    end = events[1]["data"]
    assert (end["status"], end["error"], end["outputs"], end["total_steps"]) == ("stopped", "Stopped by user.", {}, 0)
    assert stored(database, run) == events
    assert detail(database, run).status is RunStatus.STOPPED


def test_a_running_run_is_left_to_its_worker(database: Database, log: MemoryEventLog, run: NewRun) -> None:
    claimed(database, run)
    asked: list[str] = []

    assert stop(database, log, run, asked).claim is None
    assert asked == [run.run_id]
    assert detail(database, run).status is RunStatus.RUNNING


def test_a_run_that_was_handed_over_is_stopped_where_it_was(database: Database, log: MemoryEventLog, run: NewRun) -> None:
    claim = worked_on(database, log, run)
    with database.begin() as session:
        release_run(session, run.run_id, claim.attempt)

    stop(database, log, run)

    events = told(log, run)
    assert kinds(events) == ["workflow_started", "workflow_finished"]
    assert (events[1]["data"]["outputs"], events[1]["data"]["total_steps"]) == ({"x": 1}, 1)


def test_a_run_whose_worker_is_lost_is_stopped_at_once(database: Database, log: MemoryEventLog, run: NewRun) -> None:
    worked_on(database, log, run)
    change(database, run, lease_until=0.0)

    stop(database, log, run)

    assert detail(database, run).status is RunStatus.STOPPED
    assert kinds(told(log, run)) == ["workflow_started", "workflow_finished"]


def test_stopping_again_or_somebody_elses_run_changes_nothing(database: Database, log: MemoryEventLog, run: NewRun) -> None:
    other = accept(database)
    assert stop(database, log, run, app_id=other.app_id) is None
    assert stop(database, log, run, session_id="bob") is None
    assert stop(database, log, run, task_id="no-id") is None
    assert detail(database, run).status is RunStatus.RUNNING

    assert stop(database, log, run, session_id="alice") is not None
    assert stop(database, log, run) is None
    assert kinds(told(log, run)) == ["workflow_started", "workflow_finished"]


def test_a_control_channel_that_is_away_does_not_fail_a_stop(database: Database, log: MemoryEventLog, run: NewRun) -> None:
    claimed(database, run)

    def fail(run_id: str) -> None:
        raise redis.ConnectionError("gone")

    assert stop_run(database, log, MemoryCommands(fail), remote_address, run.app_id, run.task_id) is not None


def test_a_log_that_cannot_be_read_puts_the_end_off(database: Database, run: NewRun) -> None:
    class Away(MemoryEventLog):
        def open(self, *args: Any, **options: Any) -> Any:
            raise redis.ConnectionError("gone")

    claimed(database, run)
    change(database, run, status=RunStatus.SCHEDULED)
    claim = claimed(database, run)

    assert close_run(database, Away(), claim, RunStatus.FAILED, "why", remote_address) is None
    assert detail(database, run).status is RunStatus.RUNNING


def test_a_claim_that_is_not_in_force_ends_nothing(database: Database, log: MemoryEventLog, run: NewRun) -> None:
    claim = claimed(database, run)
    change(database, run, status=RunStatus.SCHEDULED)
    claimed(database, run)

    assert close_run(database, log, claim, RunStatus.FAILED, "why", remote_address) is None
    assert detail(database, run).error is None
