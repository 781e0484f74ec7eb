"""Every check finds what breaks its promise, and nothing else; a deployment in order has no finding."""

from __future__ import annotations

import gc
import json
import time
import tracemalloc
import uuid
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from sqlalchemy import insert, select, update

from tests.contract.doctor.conftest import Clinic
from tests.unit.running import record
from worker.broker import QUEUE
from worker.doctor import CHECK_NAMES, Finding
from worker.doctor import examination as examination_module
from worker.doctor import files as files_module
from worker.doctor import references as references_module
from worker.doctor import rows as rows_module
from worker.doctor import runs as runs_module
from worker.engine.events import RunStatus
from worker.store.blobs import open_blobs
from worker.store.events import EventStretch, read_events, store_events, unpack
from worker.store.files import add_tool_file, keep
from worker.store.migrate import REVISIONS
from worker.store.models import (
    PAYLOADS,
    RUNS,
    IdempotencyKey,
    NodeExecution,
    RunEvents,
    StoredFile,
    WebhookAttempt,
    WebhookDelivery,
    WebhookEndpoint,
)
from worker.store.runs import NewRun
from worker.store.schedules import NewSchedule, add_schedule, change_schedule

#: Seconds ago at which everything is long over.
LONG = 10_000.0


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is on its way in these tests."""
    monkeypatch.setattr(examination_module.time, "sleep", lambda seconds: None)


@pytest.fixture
def bystanders(clinic: Clinic) -> None:
    """Runs in order beside the one that is harmed."""
    clinic.scheduled()
    clinic.running()
    clinic.ended()


pytestmark = pytest.mark.usefixtures("bystanders")


def test_a_deployment_in_order_has_no_findings(clinic: Clinic) -> None:
    clinic.ended(status=RunStatus.PARTIAL_SUCCEEDED)
    clinic.ended(status=RunStatus.FAILED, error="a\0b", total_steps=3)
    clinic.ended(status=RunStatus.STOPPED, error="Stopped by user.")
    clinic.client.set(clinic.config.redis_prefix + "rate:app:x", 1, ex=60)

    assert clinic.findings() == []


# ---- the rows of runs


def test_a_row_that_contradicts_itself(clinic: Clinic) -> None:
    ended, running = clinic.ended(), clinic.running()[0]
    clinic.change(ended, finished_at=None)
    clinic.change(running, status="lost")

    assert sorted(clinic.found(checks=["state"])) == sorted([("state", ended.run_id), ("state", running.run_id)])


@pytest.mark.parametrize("values", [{"attempt": 0}, {"started_at": None}, {"lost_attempts": 2}], ids=lambda values: next(iter(values)))
def test_a_run_that_went_on_without_a_claim(clinic: Clinic, values: dict[str, Any]) -> None:
    run = clinic.ended()
    clinic.change(run, **values)

    assert clinic.found(checks=["state"]) == [("state", run.run_id)]


def test_a_run_without_inputs(clinic: Clinic) -> None:
    run = clinic.scheduled()
    clinic.execute("DELETE FROM run_payloads WHERE run_id = :run", run=run.run_id)

    assert clinic.found() == [("state", run.run_id)]


def test_a_lease_that_ran_out_and_one_without_owner(clinic: Clinic) -> None:
    silent, nobodys = clinic.running()[0], clinic.running()[0]
    clinic.change(silent, lease_until=time.time() - 61)
    clinic.change(nobodys, lease_owner=None)

    assert sorted(clinic.found()) == sorted([("lease", silent.run_id), ("lease", nobodys.run_id)])


def test_a_lease_that_has_just_run_out_is_the_business_of_the_sweeper(clinic: Clinic) -> None:
    clinic.change(clinic.running()[0], lease_until=time.time() - 30)

    assert clinic.findings() == []


def test_a_lease_on_a_run_that_is_not_running(clinic: Clinic) -> None:
    run = clinic.ended()
    clinic.change(run, lease_owner="worker-9")

    assert clinic.found() == [("lease", run.run_id)]


def test_a_run_that_goes_on_after_its_deadline(clinic: Clinic) -> None:
    run = clinic.running()[0]
    clinic.change(run, deadline_at=time.time() - 61)

    assert clinic.found() == [("deadline", run.run_id)]


def test_a_run_that_nobody_takes(clinic: Clinic) -> None:
    run = clinic.scheduled()
    clinic.change(run, created_at=time.time() - 301)

    assert clinic.found() == [("waiting", run.run_id)]


def test_a_run_that_nobody_takes_again(clinic: Clinic) -> None:
    waiting, sent_again = clinic.running()[0], clinic.running()[0]
    for run, ago in ((waiting, 301), (sent_again, 10)):
        clinic.change(run, status="scheduled", created_at=1.0, lease_owner=None, lease_until=time.time() - ago)

    assert clinic.found() == [("waiting", waiting.run_id)]


def test_a_pause_that_nobody_can_end(clinic: Clinic) -> None:
    run = clinic.running()[0]
    clinic.change(run, status="paused", paused_at=time.time(), lease_owner=None, lease_until=None)

    assert clinic.found() == [("paused", run.run_id)]


# ---- events


def keep_events(clinic: Clinic, run: NewRun, change: Callable[[list[bytes]], list[bytes]], **columns: Any) -> None:
    """Store the events of a run as ``change`` makes them, in one stretch, and forget the log."""
    with clinic.database.begin() as session:
        frames = change([frame for _, frame in read_events(session, run.run_id)])
        session.execute(RunEvents.__table__.delete().where(RunEvents.run_id == run.run_id))
        store_events(session, run.run_id, EventStretch.of(1, frames))
    clinic.change(run, last_event=len(frames), **columns)
    clinic.client.flushall()


def test_events_with_a_gap(clinic: Clinic) -> None:
    run = clinic.ended()
    clinic.execute("UPDATE run_events SET first = first + 1, last = last + 1 WHERE run_id = :run AND first > 1", run=run.run_id)
    clinic.change(run, last_event=7)
    clinic.client.flushall()

    assert clinic.found() == [("events", run.run_id)]


def test_events_that_are_fewer_than_the_row_says(clinic: Clinic) -> None:
    run = clinic.running()[0]
    clinic.change(run, last_event=9)

    assert [finding.text for finding in clinic.findings()] == ["has events up to number 2, and should have them up to 9"]
    assert clinic.found() == [("events", run.run_id)]


def test_events_that_cannot_be_read(clinic: Clinic) -> None:
    run = clinic.running()[0]
    clinic.execute("UPDATE run_events SET body = :body WHERE run_id = :run", run=run.run_id, body=b"damaged")

    assert set(clinic.found(checks=["events"])) == {("events", run.run_id)}


def test_stretches_that_hold_less_than_they_say(clinic: Clinic) -> None:
    run = clinic.ended()
    with clinic.database.begin() as session:
        first, body = session.execute(select(RunEvents.first, RunEvents.body).where(RunEvents.run_id == run.run_id)).first() or (0, b"")
        session.execute(
            update(RunEvents)
            .where(RunEvents.run_id == run.run_id, RunEvents.first == first)
            .values(body=EventStretch.of(1, unpack(body)[:1]).body)
        )

    assert ("events", run.run_id) in clinic.found()


@pytest.mark.parametrize("kind", ["node_started", "node_finished"])
def test_a_node_whose_start_or_end_is_told_twice(clinic: Clinic, kind: str) -> None:
    run = clinic.ended()
    keep_events(clinic, run, lambda frames: [*frames[:3], *[frame for frame in frames[1:3] if kind.encode() in frame], *frames[3:]])

    assert clinic.found() == [("events", run.run_id)]


def test_a_node_that_ends_without_a_start(clinic: Clinic) -> None:
    run = clinic.ended()
    keep_events(clinic, run, lambda frames: [frames[0], *frames[2:]])

    assert clinic.found() == [("events", run.run_id)]


def test_events_that_do_not_begin_with_the_start_of_the_run(clinic: Clinic) -> None:
    run = clinic.ended()
    keep_events(clinic, run, lambda frames: frames[1:])

    assert [finding.text for finding in clinic.findings()] == ["begins with node_started"]


# ---- the end


def test_an_end_that_no_event_tells(clinic: Clinic) -> None:
    run = clinic.ended()
    keep_events(clinic, run, lambda frames: frames[:-1])

    assert clinic.found() == [("ending", run.run_id)]


def test_two_ends(clinic: Clinic) -> None:
    run = clinic.ended()
    keep_events(clinic, run, lambda frames: [*frames, frames[-1]])

    assert clinic.found() == [("ending", run.run_id)]


def test_events_behind_the_end(clinic: Clinic) -> None:
    run = clinic.ended()
    keep_events(clinic, run, lambda frames: [*frames, b'{"event":"text_chunk","data":{}}'])

    assert clinic.found() == [("ending", run.run_id)]


def test_speech_behind_the_end_is_in_order(clinic: Clinic) -> None:
    run = clinic.ended()
    keep_events(clinic, run, lambda frames: [*frames, b'{"event":"tts_message","audio":""}', b'{"event":"tts_message_end"}'])

    assert clinic.findings() == []


def test_an_end_of_a_run_that_goes_on(clinic: Clinic) -> None:
    ended, run = clinic.ended(), clinic.running()[0]
    with clinic.database.read() as session:
        end = read_events(session, ended.run_id)[-1][1]
    keep_events(clinic, run, lambda frames: [*frames, end])

    assert clinic.found(run_id=run.run_id) == [("ending", run.run_id)]


@pytest.mark.parametrize(
    ("column", "value"), [("status", "failed"), ("error", "Boom"), ("total_tokens", 5), ("total_steps", 7), ("exceptions_count", 1)]
)
def test_a_row_that_says_something_else_than_the_last_event(clinic: Clinic, column: str, value: object) -> None:
    run = clinic.ended(status=RunStatus.STOPPED)
    clinic.change(run, **{column: value})

    assert clinic.found() == [("ending", run.run_id)]


def test_a_run_that_could_not_be_executed_ends_with_an_error(clinic: Clinic) -> None:
    run = clinic.ended(status=RunStatus.FAILED, error="No graph.")
    error = {"event": "error", "code": "x", "message": "No graph.", "status": 400}
    keep_events(clinic, run, lambda frames: [json.dumps(error, separators=(",", ":")).encode()])

    assert clinic.findings() == []
    clinic.change(run, error="Another.")
    assert clinic.found() == [("ending", run.run_id)]


# ---- node results


def test_a_node_result_that_is_missing(clinic: Clinic) -> None:
    run = clinic.ended()
    clinic.execute("DELETE FROM node_executions WHERE run_id = :run AND position = 1", run=run.run_id)

    assert set(clinic.found()) == {("nodes", run.run_id), ("sums", run.run_id)}


def test_a_node_result_of_an_attempt_that_had_lost_the_run(clinic: Clinic) -> None:
    run = clinic.ended()
    clinic.execute("UPDATE node_executions SET attempt = 3 WHERE run_id = :run AND position = 1", run=run.run_id)
    clinic.change(run, attempt=3)

    assert clinic.found() == [("nodes", run.run_id)]


def test_a_node_result_of_an_attempt_that_there_was_not(clinic: Clinic) -> None:
    run = clinic.running()[0]
    clinic.execute("UPDATE node_executions SET attempt = 2 WHERE run_id = :run", run=run.run_id)

    assert clinic.found() == [("nodes", run.run_id)]


def test_a_node_result_that_was_told_otherwise(clinic: Clinic) -> None:
    run = clinic.ended(status=RunStatus.STOPPED)
    clinic.execute("UPDATE node_executions SET status = 'failed' WHERE run_id = :run AND position = 1", run=run.run_id)

    assert clinic.found() == [("nodes", run.run_id)]


def test_a_node_result_that_was_never_told(clinic: Clinic) -> None:
    run = clinic.ended()
    with clinic.database.begin() as session:
        row = session.scalars(select(NodeExecution).where(NodeExecution.run_id == run.run_id, NodeExecution.position == 2)).one()
        copy = {column.name: getattr(row, column.name) for column in NodeExecution.__table__.columns}
        session.execute(insert(NodeExecution).values({**copy, "id": "untold", "position": 3}))
    clinic.change(run, total_steps=3)

    assert [finding.text for finding in clinic.findings(checks=["nodes"])] == [
        "has a result of node execution untold, and never told its end"
    ]


def test_a_node_result_that_no_release_wrote(clinic: Clinic) -> None:
    run, ended = clinic.running()[0], clinic.ended()
    for harmed in (run, ended):
        clinic.execute("UPDATE node_executions SET record = '{}' WHERE run_id = :run", run=harmed.run_id)

    assert clinic.found() == [("nodes", run.run_id)]


def test_a_failed_run_may_lack_results_of_its_last_nodes(clinic: Clinic) -> None:
    run, journal = clinic.running()
    node = record(f"{run.run_id[:8]}-b", 2)
    journal.record(node, durable=False)
    journal.emit(node.finished_event())
    journal.refuse("code", "It broke.", 400)

    assert clinic.findings() == []


def test_steps_tokens_and_exceptions_that_are_not_those_of_the_nodes(clinic: Clinic) -> None:
    run = clinic.ended(total_steps=5, total_tokens=7)

    assert [finding.text for finding in clinic.findings()] == [
        "is stored with total_steps 5, and its nodes add up to 2",
        "is stored with total_tokens 7, and its nodes add up to 0",
    ]
    assert set(clinic.found()) == {("sums", run.run_id)}


# ---- rows of other tables


def test_rows_without_their_run(clinic: Clinic) -> None:
    run = clinic.ended()
    clinic.delete_unbound("runs", run.run_id)
    clinic.client.flushall()

    findings = clinic.findings()

    assert {finding.check for finding in findings} == {"references"}
    assert {finding.subject.split()[0] for finding in findings} == {"node_executions", "run_events", "run_payloads"}
    assert all(finding.text == f"refers to runs {run.run_id}, which is not there" for finding in findings)


def test_a_run_without_its_version(clinic: Clinic) -> None:
    run = clinic.ended()
    clinic.delete_unbound("workflows", run.workflow_id)

    assert clinic.found() == [("references", f"runs {run.run_id}")]


# ---- files


def stored_file(clinic: Clinic, run: NewRun, age_s: float) -> str:
    blobs = open_blobs(clinic.config, clinic.database)
    file_id = keep(clinic.database, blobs, lambda session: add_tool_file(session, run.app_id, "txt", "text/plain", 2), b"hi").id
    with clinic.database.begin() as session:
        session.execute(update(StoredFile).where(StoredFile.id == file_id).values(created_at=time.time() - age_s))
    return file_id


def test_a_file_without_bytes(clinic: Clinic) -> None:
    run = clinic.ended()
    lost, uploading = stored_file(clinic, run, LONG), stored_file(clinic, run, 10)
    stored_file(clinic, run, LONG)
    for file_id in (lost, uploading):
        open_blobs(clinic.config, clinic.database).delete(file_id)

    assert clinic.found() == [("file-bytes", lost)]


def test_bytes_without_a_file(clinic: Clinic, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files_module, "YOUNG_S", -1.0)
    run = clinic.ended()
    kept, lost = stored_file(clinic, run, LONG), stored_file(clinic, run, LONG)
    clinic.execute("DELETE FROM files WHERE id = :file", file=lost)

    # Where the database keeps the bytes, they go with the row.
    assert clinic.found() == ([("stray-bytes", lost)] if clinic.database.dialect == "sqlite" else [])
    assert open_blobs(clinic.config, clinic.database).missing([kept]) == []


# ---- Redis


def key(clinic: Clinic, run: NewRun) -> str:
    return f"{clinic.config.redis_prefix}events:{{{run.run_id}}}"


def test_a_log_with_another_event_than_sql(clinic: Clinic) -> None:
    run = clinic.ended()
    clinic.client.delete(key(clinic, run))
    clinic.client.xadd(key(clinic, run), {"e": b"{}"}, id="1-0")
    clinic.client.expire(key(clinic, run), 60)

    assert clinic.found() == [("redis-log", run.run_id)]


def test_a_log_that_goes_on_behind_the_end(clinic: Clinic) -> None:
    run = clinic.ended()
    clinic.client.xadd(key(clinic, run), {"e": b"{}"}, id="99-0")

    assert clinic.found() == [("redis-log", run.run_id)]


def test_a_log_with_a_gap_that_sql_cannot_fill(clinic: Clinic) -> None:
    run = clinic.running()[0]
    clinic.client.xadd(key(clinic, run), {"e": b"{}"}, id="9-0")

    assert [finding.text for finding in clinic.findings()] == ["has event 9 in Redis, and event 8 nowhere"]


def test_a_log_with_a_gap_that_sql_fills_is_in_order(clinic: Clinic) -> None:
    run = clinic.ended()
    clinic.client.xdel(key(clinic, run), "1-0", "3-0")

    assert clinic.findings() == []


def test_a_log_that_ends_although_the_run_goes_on(clinic: Clinic) -> None:
    run = clinic.running()[0]
    clinic.client.xadd(key(clinic, run), {"e": b"{}", "t": "1"}, id="5-0")

    assert clinic.found() == [("redis-log", run.run_id)]


def test_a_log_that_belongs_to_an_attempt_that_there_was_not(clinic: Clinic) -> None:
    run = clinic.running()[0]
    clinic.log.open(run.run_id, 7)

    assert clinic.found() == [("redis-log", run.run_id)]


def test_the_log_of_a_run_that_was_deleted_is_in_order(clinic: Clinic) -> None:
    run = clinic.ended()
    clinic.execute("DELETE FROM runs WHERE id = :run", run=run.run_id)

    assert clinic.findings() == []


def test_what_looks_wrong_for_a_moment_is_looked_at_again(clinic: Clinic, monkeypatch: pytest.MonkeyPatch) -> None:
    run = clinic.running()[0]
    clinic.client.xadd(key(clinic, run), {"e": b"{}", "t": "1"}, id="5-0")

    def repair(seconds: float) -> None:
        clinic.client.xdel(key(clinic, run), "5-0")

    monkeypatch.setattr(examination_module.time, "sleep", repair)

    assert clinic.findings() == []


def test_keys_that_never_expire(clinic: Clinic) -> None:
    run = clinic.ended()
    clinic.client.persist(key(clinic, run))
    clinic.client.set(clinic.config.redis_prefix + "left", 1)
    clinic.client.set("of another application", 1)
    clinic.client.sadd(clinic.config.redis_prefix + "_kombu.binding.interactive", "x")

    assert sorted(clinic.found()) == [("redis-ttl", key(clinic, run)), ("redis-ttl", clinic.config.redis_prefix + "left")]


# ---- webhooks and keys


def told(clinic: Clinic, run: NewRun, **values: Any) -> str:
    """A message about a run that was delivered at once, but for ``values``; its id."""
    endpoint_id, delivery_id = str(uuid.uuid4()), str(uuid.uuid4())
    now = time.time()
    message = {
        "event": "workflow.finished",
        "event_number": 9,
        "url": "https://a.example/hook",
        "lane": f"{run.app_id} https://a.example:443",
    }
    settled = {"status": "delivered", "attempts": 1, "created_at": now, "ended_at": now}
    with clinic.database.begin() as session:
        session.execute(insert(WebhookEndpoint).values(id=endpoint_id, app_id=run.app_id, url="", secret=b"s", created_at=now))
        row = {"id": delivery_id, "endpoint_id": endpoint_id, "run_id": run.run_id, **message, **settled, **values}
        session.execute(insert(WebhookDelivery).values(row))
        session.execute(insert(WebhookAttempt).values(delivery_id=delivery_id, number=1, ended_at=now, elapsed_ms=5, status=200))
    return delivery_id


@pytest.mark.parametrize(
    "values",
    [
        {"status": "pending", "ended_at": None, "due_at": 5.0},
        {"status": "pending", "ended_at": None},
        {"due_at": 9e9},
        {"ended_at": None},
        {"status": "lost"},
        {"attempts": 0},
    ],
    ids=["overdue", "nobody tries", "tried again", "no end", "no status", "attempts"],
)
def test_a_message_that_nobody_brings_to_an_end(clinic: Clinic, values: dict[str, Any]) -> None:
    told(clinic, clinic.ended())
    told(clinic, clinic.ended(), status="pending", ended_at=None, due_at=time.time() + 60)
    delivery_id = told(clinic, clinic.ended(), **values)

    assert set(clinic.found()) == {("deliveries", delivery_id)}


def test_an_idempotency_key_that_nobody_forgot(clinic: Clinic) -> None:
    old, young = clinic.ended(), clinic.ended()
    for run, age_s in ((old, 90_100.0), (young, 89_900.0)):
        key = {"endpoint": "/v1/workflows/run", "key": run.run_id, "fingerprint": "f" * 64, "created_at": time.time() - age_s}
        with clinic.database.begin() as session:
            session.execute(insert(IdempotencyKey).values(app_id=run.app_id, run_id=run.run_id, **key))

    assert clinic.found() == [("idempotency-keys", old.run_id)]


def test_schedules_that_nobody_fires(clinic: Clinic) -> None:
    app_id = clinic.ended().app_id
    facts = {"app_id": app_id, "cron": "0 0 * * *", "timezone": "UTC", "inputs": {}, "missed": "once"}
    states = {
        "sound": {},
        "just due": {"next_at": time.time() - 3500.0},
        "late": {"next_at": time.time() - 3700.0},
        "waits": {"next_at": time.time() - 3700.0, "overlap": "wait"},
        "rests": {"next_at": None, "paused_at": 1.0},
        "half paused": {"paused_at": 1.0},
        "lost": {"next_at": None},
    }
    with clinic.database.begin() as session:
        made = {name: add_schedule(session, NewSchedule(name=name, overlap="skip", **facts), time.time() + 60.0) for name in states}
        for name, state in states.items():
            change_schedule(session, made[name].id, **state)

    assert sorted(clinic.found()) == sorted(("schedules", made[name].id) for name in ("late", "half paused", "lost"))


def test_tasks_of_runs_that_there_are_not(clinic: Clinic) -> None:
    run, stranger = clinic.scheduled(), str(uuid.uuid4())
    for task_id in (run.task_id, stranger):
        clinic.client.lpush(clinic.config.redis_prefix + QUEUE, json.dumps({"headers": {"id": task_id}}))
    clinic.client.lpush(clinic.config.redis_prefix + QUEUE, "no message")

    assert clinic.found() == [("messages", "b'no message'"), ("messages", stranger)]


# ---- how much is looked at


def test_only_what_is_asked_for_is_looked_at(clinic: Clinic) -> None:
    old, young = clinic.running()[0], clinic.running()[0]
    for run in (old, young):
        clinic.change(run, deadline_at=time.time() - LONG, lease_until=time.time() - LONG)
    clinic.change(old, created_at=time.time() - LONG)

    assert sorted(clinic.found(since=time.time() - 60)) == [("deadline", young.run_id), ("lease", young.run_id)]
    assert clinic.found(run_id=old.run_id.upper(), checks=["lease"]) == [("lease", old.run_id)]
    assert clinic.found(checks=["waiting"]) == []


def test_batches_are_complete(clinic: Clinic, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runs_module, "BATCH", 2)
    monkeypatch.setattr(references_module, "BATCH", 2)
    harmed = [clinic.running()[0] for _ in range(5)]
    for run in harmed:
        clinic.change(run, deadline_at=1.0)

    assert sorted(clinic.found()) == sorted(("deadline", run.run_id) for run in harmed)


def test_pages_of_rows_are_complete(clinic: Clinic, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows_module, "PAGE", 2)
    harmed = [told(clinic, clinic.ended(), ended_at=None) for _ in range(5)]

    assert sorted(clinic.found()) == sorted(("deliveries", delivery_id) for delivery_id in harmed)


def test_memory_does_not_grow_with_the_number_of_runs(clinic: Clinic, monkeypatch: pytest.MonkeyPatch) -> None:
    class Tidy(runs_module.Runs):
        """Waits for the garbage collector between two batches, which comes when it likes."""

        def look(self, keys: Sequence[str]) -> list[Finding]:
            gc.collect()
            return super().look(keys)

    monkeypatch.setattr(examination_module, "Runs", Tidy)

    def peak() -> int:
        tracemalloc.start()
        try:
            assert clinic.findings(checks=["state", "events", "ending", "sums"]) == []
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    run = clinic.ended(status=RunStatus.STOPPED)
    copy(clinic, run, 300)
    peak()
    before = peak()
    copy(clinic, run, 2700, first=300)

    assert peak() < 1.5 * before


def copy(clinic: Clinic, run: NewRun, number: int, first: int = 0) -> None:
    """So many runs more that look like this one."""
    with clinic.database.begin() as session:
        for table, key in ((RUNS, "id"), (PAYLOADS, "run_id"), (RunEvents.__table__, "run_id")):
            rows = [dict(row) for row in session.execute(select(table).where(table.c[key] == run.run_id)).mappings()]
            names = {n: {key: f"{n:08}", **({"task_id": f"task {n}"} if table is RUNS else {})} for n in range(first, first + number)}
            session.execute(insert(table), [{**row, **name} for name in names.values() for row in rows])


def test_without_redis_the_rest_is_examined(clinic: Clinic) -> None:
    run = clinic.running()[0]
    clinic.change(run, deadline_at=1.0)

    found = list(examination_module.examine(clinic.config, clinic.database, None))

    assert [(finding.check, finding.subject) for finding in found] == [("deadline", run.run_id)]


def test_a_database_of_another_release_is_all_that_is_found(clinic: Clinic) -> None:
    with clinic.database.begin() as session:
        session.connection().exec_driver_sql("UPDATE alembic_version SET version_num = '0001'")
    try:
        assert clinic.found() == [("schema", "database")]
    finally:
        clinic.execute("UPDATE alembic_version SET version_num = :head", head=REVISIONS[-1])


def test_every_check_has_a_name_of_its_own() -> None:
    assert len(set(CHECK_NAMES)) == len(CHECK_NAMES)
