import math
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
import redis

from tests.unit.running import (
    LEASE_S,
    accept,
    change,
    claimed,
    detail,
    finished,
    kinds,
    memory_database,
    record,
    started,
    stored,
    success,
    told,
)
from worker import journal as journal_module
from worker.bus.memory import MemoryEventLog
from worker.engine.errors import RunFenced
from worker.engine.events import ROOT, NodeRetried, NodeStatus, RunStarted, RunStatus, Scope, TextChunk
from worker.engine.memory import SystemClock
from worker.engine.spending import Spending
from worker.engine.start import Tried
from worker.engine.variables import File
from worker.history import load_history
from worker.journal import RunJournal, envelope_of
from worker.store.claims import Claim
from worker.store.errors import StorageUnavailable
from worker.store.runs import NewRun
from worker.store.session import Database

BEGIN = RunStarted({"q": "v"}, 100.0)


class Clock(SystemClock):
    """A clock that moves when told to."""

    def __init__(self) -> None:
        self.time = 1000.0

    def now(self) -> float:
        return self.time

    def monotonic(self) -> float:
        return self.time


class FlakyLog(MemoryEventLog):
    """A log that is away while ``is_away``."""

    is_away = False
    appends = 0

    def append(self, *args: Any, **options: Any) -> int:
        self.appends += 1
        if self.is_away:
            raise redis.ConnectionError("gone")
        return super().append(*args, **options)


class FlakyDatabase(Database):
    """A database that is away for the next ``failures`` transactions."""

    failures = 0
    transactions = 0

    def transact(self, work: Any) -> Any:
        if self.failures:
            self.failures -= 1
            raise StorageUnavailable("gone")
        self.transactions += 1
        return super().transact(work)


@pytest.fixture
def database() -> Iterator[FlakyDatabase]:
    made = memory_database()
    yield FlakyDatabase(made.engine)
    made.dispose()


@pytest.fixture
def log() -> FlakyLog:
    return FlakyLog()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def run(database: FlakyDatabase) -> NewRun:
    return accept(database)


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch, clock: Clock) -> None:
    """Sleeping moves the clock instead of the test."""

    def sleep(seconds: float) -> None:
        clock.time += seconds

    monkeypatch.setattr(journal_module.time, "sleep", sleep)


def journal_of(claim: Claim, database: Database, log: MemoryEventLog, clock: Clock) -> RunJournal:
    envelope = envelope_of(claim, lambda file: "https://files/signed")
    return RunJournal(claim, envelope, database, log, clock, patience_s=LEASE_S, history=load_history(database, log, claim))


@pytest.fixture
def journal(database: FlakyDatabase, log: FlakyLog, clock: Clock, run: NewRun) -> RunJournal:
    return journal_of(claimed(database, run), database, log, clock)


def lost(database: Database, run: NewRun) -> None:
    """The worker died: the run waits for another one."""
    change(database, run, status=RunStatus.SCHEDULED)


def test_events_wait_for_a_flush(journal: RunJournal, log: FlakyLog, run: NewRun) -> None:
    journal.emit(BEGIN)
    assert told(log, run) == []

    journal.flush()
    assert kinds(told(log, run)) == ["workflow_started"]


def test_events_do_not_wait_for_long(journal: RunJournal, log: FlakyLog, run: NewRun, clock: Clock) -> None:
    journal.emit(BEGIN)
    clock.time += 0.06
    journal.emit(started("a"))
    assert kinds(told(log, run)) == ["workflow_started", "node_started"]


def test_an_event_that_comes_alone_is_due_at_once(journal: RunJournal, log: FlakyLog, run: NewRun) -> None:
    journal.emit(BEGIN)
    assert journal.publish_due(is_idle=True) == math.inf
    assert kinds(told(log, run)) == ["workflow_started"]


def test_events_of_a_burst_travel_together(journal: RunJournal, log: FlakyLog, run: NewRun, clock: Clock) -> None:
    journal.emit(BEGIN)
    journal.publish_due(is_idle=True)
    asked = log.appends
    for number in range(40):
        journal.emit(TextChunk(str(number), ("n", "x")))
        due_s = journal.publish_due(is_idle=True)
        assert 0 < due_s <= 0.005
        clock.time += 0.0001
    assert log.appends == asked

    clock.time += due_s
    assert journal.publish_due(is_idle=True) == math.inf
    assert log.appends == asked + 1
    assert len(told(log, run)) == 41


def test_a_run_with_mail_to_read_lets_its_events_wait_for_company(journal: RunJournal, log: FlakyLog, run: NewRun, clock: Clock) -> None:
    journal.emit(BEGIN)
    assert 0 < journal.publish_due(is_idle=False) <= 0.05
    clock.time += 0.02
    assert journal.publish_due(is_idle=False) > 0
    assert told(log, run) == []

    clock.time += 0.04
    assert journal.publish_due(is_idle=False) == math.inf
    assert kinds(told(log, run)) == ["workflow_started"]


def test_nothing_is_due_where_nothing_waits(journal: RunJournal) -> None:
    assert journal.publish_due(is_idle=True) == math.inf


def test_a_log_that_was_away_is_tried_again_without_further_events(journal: RunJournal, log: FlakyLog, run: NewRun, clock: Clock) -> None:
    log.is_away = True
    journal.emit(BEGIN)
    due_s = journal.publish_due(is_idle=True)
    assert 0 < due_s <= 1
    log.is_away = False
    clock.time += due_s
    assert journal.publish_due(is_idle=True) == math.inf
    assert kinds(told(log, run)) == ["workflow_started"]


def test_many_bytes_do_not_wait(journal: RunJournal, log: FlakyLog, run: NewRun) -> None:
    journal.emit(BEGIN)
    journal.emit(TextChunk("x" * 70_000, ("n", "x")))
    assert kinds(told(log, run)) == ["workflow_started", "text_chunk"]


def test_a_durable_record_stores_all_records_and_events_before_it(
    journal: RunJournal, database: FlakyDatabase, run: NewRun, log: FlakyLog
) -> None:
    journal.emit(BEGIN)
    journal.record(record("a"), durable=False)
    journal.emit(finished("a"))
    assert stored(database, run) == []

    journal.record(record("b"), durable=True)

    assert kinds(stored(database, run)) == ["workflow_started", "node_finished"]
    with database.read() as session:
        assert session.connection().exec_driver_sql("SELECT position, node_id FROM node_executions ORDER BY 1").all() == [
            (1, "a"),
            (2, "b"),
        ]
    assert detail(database, run).last_event == 2


def test_a_run_of_pure_nodes_is_one_transaction_and_one_append(
    journal: RunJournal, database: FlakyDatabase, log: FlakyLog, run: NewRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    appends = []
    monkeypatch.setattr(log, "append", lambda *args, **options: appends.append(args[2]) or args[2] + len(args[3]) - 1)
    before = database.transactions
    journal.emit(BEGIN)
    for name in "abcdefgh":
        journal.emit(started(name))
        journal.record(record(name), durable=False)
        journal.emit(finished(name))
    journal.finish(success())

    assert database.transactions - before == 1
    assert appends == [1]


def test_the_end_is_in_sql_before_it_is_told(
    journal: RunJournal, database: FlakyDatabase, log: FlakyLog, run: NewRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []
    append = log.append

    def watch(*args: Any, **options: Any) -> int:
        seen.append(detail(database, run).status)
        return append(*args, **options)

    monkeypatch.setattr(log, "append", watch)
    journal.emit(BEGIN)
    journal.finish(success())

    assert seen == [RunStatus.SUCCEEDED]
    assert kinds(told(log, run)) == ["workflow_started", "workflow_finished"]
    assert stored(database, run) == told(log, run)
    assert [entry.is_terminal for entry in log.read(run.run_id, 0, 9)] == [False, True]


def test_stored_outputs_hold_files_without_addresses(journal: RunJournal, database: FlakyDatabase, log: FlakyLog, run: NewRun) -> None:
    file = File("image", "tool_file", "a.png", ".png", "image/png", 5, related_id="f1", tenant_id=run.app_id)
    journal.finish(success(outputs={"file": file}))

    assert detail(database, run).outputs["file"]["url"] == ""
    assert told(log, run)[0]["data"]["outputs"]["file"]["url"] == "https://files/signed"


def test_a_requested_stop_beats_a_success(journal: RunJournal, database: FlakyDatabase, log: FlakyLog, run: NewRun) -> None:
    journal.emit(BEGIN)
    change(database, run, cancel_requested_at=1.0)

    ended = journal.finish(success())

    assert (ended.status, ended.error, ended.outputs) == (RunStatus.STOPPED, "Stopped by user.", {"answer": 1})
    assert detail(database, run).status is RunStatus.STOPPED
    assert [event["data"].get("status") for event in told(log, run)] == [None, "stopped"]


def test_a_log_that_is_away_for_a_while_gets_what_it_missed(journal: RunJournal, log: FlakyLog, run: NewRun, clock: Clock) -> None:
    journal.emit(BEGIN)
    log.is_away = True
    journal.flush()
    journal.emit(started("a"))
    log.is_away = False
    clock.time += 2
    journal.flush()
    assert kinds(told(log, run)) == ["workflow_started", "node_started"]


def test_a_log_that_is_away_is_not_asked_at_every_event(
    journal: RunJournal, log: FlakyLog, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def fail(*args: Any, **options: Any) -> int:
        asked.append(clock.time)
        raise redis.ConnectionError("gone")

    monkeypatch.setattr(log, "append", fail)
    for _ in range(20):
        journal.emit(started("a"))
        journal.flush()
    assert len(asked) == 1


def test_a_log_that_stays_away_does_not_decide_the_run(journal: RunJournal, database: FlakyDatabase, log: FlakyLog, run: NewRun) -> None:
    log.is_away = True
    journal.emit(BEGIN)
    journal.flush()
    ended = journal.finish(success())

    assert ended.status is RunStatus.SUCCEEDED
    assert detail(database, run).status is RunStatus.SUCCEEDED
    assert kinds(stored(database, run)) == ["workflow_started", "workflow_finished"]


def test_the_end_is_offered_again_to_a_log_that_fails_once(
    journal: RunJournal, log: FlakyLog, run: NewRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal.emit(BEGIN)
    journal.flush()
    log.is_away = True
    sleep = journal_module.time.sleep

    def come_back(seconds: float) -> None:
        log.is_away = False
        sleep(seconds)

    monkeypatch.setattr(journal_module.time, "sleep", come_back)
    journal.finish(success())
    assert kinds(told(log, run)) == ["workflow_started", "workflow_finished"]


def test_a_log_that_came_back_empty_gets_what_sql_lacks(journal: RunJournal, log: FlakyLog, run: NewRun) -> None:
    journal.emit(BEGIN)
    journal.record(record("a"), durable=True)
    journal.emit(finished("a"))
    journal.flush()
    log.lose()
    journal.emit(started("b"))
    journal.flush()

    assert [entry.number for entry in log.read(run.run_id, 0, 9)] == [2, 3]


def test_a_large_backlog_is_stored_without_a_checkpoint(journal: RunJournal, database: FlakyDatabase, run: NewRun) -> None:
    for _ in range(10):
        journal.emit(TextChunk("x" * 7_000, ("n", "x")))
    assert len(stored(database, run)) == 10


def test_a_long_backlog_is_stored_without_a_checkpoint(
    journal: RunJournal, database: FlakyDatabase, run: NewRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal_module, "BACKLOG_EVENTS", 10)
    for number in range(25):
        journal.emit(TextChunk(str(number), ("n", "x")))
    assert len(stored(database, run)) == 20


def test_a_run_waits_for_a_database_that_is_away(journal: RunJournal, database: FlakyDatabase, run: NewRun) -> None:
    database.failures = 5
    journal.record(record("a"), durable=True)
    journal.finish(success())
    assert detail(database, run).status is RunStatus.SUCCEEDED


def test_a_run_whose_database_stays_away_is_given_up(journal: RunJournal, database: FlakyDatabase, clock: Clock) -> None:
    database.failures = 10_000
    began = clock.time
    with pytest.raises(RunFenced):
        journal.record(record("a"), durable=True)
    assert LEASE_S <= clock.time - began < LEASE_S + 5


def test_a_later_attempt_shuts_out_an_earlier_one_everywhere(
    journal: RunJournal, database: FlakyDatabase, log: FlakyLog, run: NewRun, clock: Clock
) -> None:
    journal.emit(BEGIN)
    journal.flush()
    lost(database, run)
    journal_of(claimed(database, run), database, log, clock)

    journal.emit(started("a"))
    with pytest.raises(RunFenced):
        journal.flush()
    with pytest.raises(RunFenced):
        journal.record(record("a"), durable=True)
    with pytest.raises(RunFenced):
        journal.finish(success())


def test_a_second_attempt_tells_only_the_rest(
    journal: RunJournal, database: FlakyDatabase, log: FlakyLog, run: NewRun, clock: Clock
) -> None:
    journal.emit(BEGIN)
    journal.emit(started("a"))
    journal.record(record("a"), durable=True)
    journal.emit(TextChunk("hel", ("a", "out")))
    journal.emit(finished("a"))
    journal.emit(started("b", 2))
    journal.flush()
    lost(database, run)
    claim = claimed(database, run)

    again = journal_of(claim, database, log, clock)
    assert again.started == {"a": (1, 100.0), "b": (2, 100.0)}
    assert [item.execution_id for item in load_history(database, log, claim).records] == ["a"]
    for event in (BEGIN, started("a"), TextChunk("hello", ("a", "out")), finished("a"), started("b", 2)):
        again.emit(event)
    again.record(record("b", 2), durable=True)
    again.emit(finished("b", 2))
    again.finish(success())

    events = told(log, run)
    assert kinds(events) == [
        *("workflow_started", "node_started", "text_chunk", "node_finished", "node_started"),
        *("text_chunk", "node_finished", "workflow_finished"),
    ]
    assert [event["data"]["text"] for event in events if event["event"] == "text_chunk"] == ["hel", "lo"]
    assert stored(database, run) == events


def test_a_second_attempt_goes_on_from_sql_when_the_log_is_lost(
    journal: RunJournal, database: FlakyDatabase, log: FlakyLog, run: NewRun, clock: Clock
) -> None:
    journal.emit(BEGIN)
    journal.record(record("a"), durable=True)
    log.lose()
    lost(database, run)

    again = journal_of(claimed(database, run), database, log, clock)
    again.emit(BEGIN)
    again.finish(success())

    assert kinds(stored(database, run)) == ["workflow_started", "workflow_finished"]
    assert [entry.number for entry in log.read(run.run_id, 0, 9)] == [2]


def test_closing_adds_up_what_the_nodes_did(journal: RunJournal, database: FlakyDatabase, run: NewRun, clock: Clock) -> None:
    journal.record(record("a", attempts=3, total_tokens=7), durable=False)
    journal.record(record("e", node_type="end", outputs={"x": 1}), durable=False)
    clock.time += 10

    ended = journal.close(RunStatus.FAILED, "why")

    assert (ended.total_steps, ended.total_tokens, ended.exceptions_count, ended.outputs) == (4, 7, 2, {"x": 1})
    assert ended.elapsed_s >= 10
    seen = detail(database, run)
    assert (seen.status, seen.error, seen.total_steps, seen.outputs) == (RunStatus.FAILED, "why", 4, {"x": 1})


def retried(number: int, tokens: int, scope: Scope = ROOT) -> NodeRetried:
    spent = {"total_tokens": tokens, "total_price": "0.0000001", "currency": "USD"}
    return record("a", status=NodeStatus.RETRY, attempts=number, metadata=spent, scope=scope).retried_event()


def test_closing_adds_what_attempts_used_at_a_node_that_never_ended(
    journal: RunJournal, database: FlakyDatabase, log: FlakyLog, run: NewRun, clock: Clock
) -> None:
    journal.emit(BEGIN)
    journal.emit(retried(1, 5))
    journal.emit(retried(2, 7))
    journal.flush()
    lost(database, run)

    again = journal_of(claimed(database, run), database, log, clock)
    assert again.tried == {"a": Tried(2, Spending(12, Decimal("0.0000002"), "USD"))}
    ended = again.close(RunStatus.FAILED, "why")

    assert (ended.total_tokens, ended.total_steps, ended.exceptions_count) == (12, 2, 2)


def test_closing_counts_attempts_once(journal: RunJournal) -> None:
    journal.emit(retried(1, 5))
    journal.record(record("a", attempts=2, total_tokens=9), durable=False)
    ended = journal.close(RunStatus.FAILED, "why")

    assert (ended.total_tokens, ended.total_steps, ended.exceptions_count) == (9, 2, 1)


def test_closing_adds_what_a_container_that_never_ended_used(journal: RunJournal) -> None:
    inside = Scope(iteration_id="it", iteration_index=0, path=(("it", 0),))
    journal.record(record("b", total_tokens=3, scope=inside), durable=False)
    journal.emit(retried(1, 5, inside))
    ended = journal.close(RunStatus.FAILED, "why")

    assert (ended.total_tokens, ended.total_steps, ended.exceptions_count) == (8, 0, 0)


def test_closing_adds_what_a_container_used_once(journal: RunJournal) -> None:
    inside = Scope(iteration_id="it", iteration_index=0, path=(("it", 0),))
    journal.record(record("b", total_tokens=3, scope=inside), durable=False)
    journal.record(record("it", node_type="iteration", total_tokens=3), durable=False)

    assert journal.close(RunStatus.FAILED, "why").total_tokens == 3


def test_a_run_that_never_began_is_refused_by_an_error_event(
    journal: RunJournal, database: FlakyDatabase, log: FlakyLog, run: NewRun
) -> None:
    journal.refuse("workflow_request_error", "It cannot run.", 400)

    assert told(log, run) == [
        {
            "event": "error",
            "workflow_run_id": run.run_id,
            "task_id": run.task_id,
            "code": "workflow_request_error",
            "message": "It cannot run.",
            "status": 400,
        }
    ]
    assert log.read(run.run_id, 0, 9)[0].is_terminal
    assert (detail(database, run).status, detail(database, run).error) == (RunStatus.FAILED, "It cannot run.")


def test_a_run_that_began_is_refused_by_its_end(journal: RunJournal, log: FlakyLog, run: NewRun) -> None:
    journal.emit(BEGIN)
    journal.refuse("workflow_request_error", "It cannot go on.", 400)

    events = told(log, run)
    assert kinds(events) == ["workflow_started", "workflow_finished"]
    assert (events[1]["data"]["status"], events[1]["data"]["error"]) == ("failed", "It cannot go on.")


def test_handing_over_stores_what_is_known_and_frees_the_run(
    journal: RunJournal, database: FlakyDatabase, log: FlakyLog, run: NewRun
) -> None:
    journal.emit(BEGIN)
    journal.record(record("a"), durable=False)

    assert journal.hand_over()

    assert kinds(stored(database, run)) == kinds(told(log, run)) == ["workflow_started"]
    assert claimed(database, run).attempt == 2


def test_a_run_that_is_to_be_stopped_is_not_handed_over(journal: RunJournal, database: FlakyDatabase, run: NewRun) -> None:
    change(database, run, cancel_requested_at=1.0)

    assert not journal.hand_over()
    assert journal.close(RunStatus.STOPPED, "Stopped by user.").status is RunStatus.STOPPED
