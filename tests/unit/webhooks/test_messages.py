import json
import time
from datetime import datetime
from typing import Any

from sqlalchemy import delete, update

from tests.unit.running import accept, stored
from tests.unit.webhooks.conftest import add_endpoint, end, journal_of, take, told_to
from worker.bus.json_text import dump
from worker.engine.events import RunStatus
from worker.engine.variables import File, remote_address
from worker.store import batches
from worker.store.apps import delete_app
from worker.store.batch_closing import close
from worker.store.batch_controls import cancel_batch
from worker.store.events import EventStretch, store_events
from worker.store.models import RUNS, RunEvents
from worker.store.runs import NewRun
from worker.store.session import Database
from worker.store.webhooks import PAUSED, announce, announce_batch
from worker.webhooks.messages import message_of

URL = "https://receiver.example/hook"


def message(database: Database, run: NewRun, file_url: Any = remote_address) -> Any:
    body = message_of(database, take(database, run, URL), file_url)
    assert body is not None
    return json.loads(body)


def frame(database: Database, run: NewRun) -> dict[str, Any]:
    """The run's ``workflow_finished`` as readers of its stream got it."""
    return next(event for event in stored(database, run) if event["event"] == "workflow_finished")


def test_a_message_is_what_readers_of_the_stream_got(database: Database) -> None:
    run = told_to(database, URL)
    end(database, run, outputs={"answer": "ü", "n": 2**80})

    told, event = message(database, run), frame(database, run)

    assert abs(datetime.fromisoformat(told["timestamp"]).timestamp() - time.time()) < 10
    assert told == {
        "type": "workflow.finished",
        "timestamp": told["timestamp"],
        "app_id": run.app_id,
        "workflow_run_id": run.run_id,
        "task_id": run.task_id,
        "data": event["data"],
    }
    assert (told["data"]["id"], told["data"]["status"], told["data"]["outputs"]) == (run.run_id, "succeeded", {"answer": "ü", "n": 2**80})
    assert told["data"]["created_by"]["user"] == "alice"


def test_files_are_signed_anew_for_each_attempt(database: Database) -> None:
    file = File("image", "tool_file", "a.png", ".png", "image/png", 3, related_id="f-1")
    run = told_to(database, URL)
    end(database, run, outputs={"picture": file})
    delivery = take(database, run, URL)

    bodies = [
        json.loads(message_of(database, delivery, lambda file, tag=tag: f"https://here/{file.related_id}?{tag}") or b"") for tag in "ab"
    ]

    assert [body["data"]["outputs"]["picture"]["url"] for body in bodies] == ["https://here/f-1?a", "https://here/f-1?b"]
    assert [body["data"]["files"][0]["url"] for body in bodies] == ["https://here/f-1?a", "https://here/f-1?b"]


def test_a_run_whose_events_are_gone_is_told_from_its_record(database: Database) -> None:
    run = told_to(database, URL)
    file = File("image", "tool_file", "a.png", ".png", "image/png", 3, related_id="f-1")
    end(database, run, outputs={"picture": file}, exceptions_count=1, status=RunStatus.PARTIAL_SUCCEEDED)
    event = frame(database, run)
    with database.begin() as session:
        session.execute(delete(RunEvents))

    data = message(database, run)["data"]
    # The run of this test says that it began in 1970.
    assert {**data, "created_at": 100} == event["data"]


def test_a_run_that_could_not_be_executed_at_all_is_told_as_failed(database: Database) -> None:
    run = told_to(database, URL)
    journal_of(database, run).refuse("workflow_request_error", "No such node type.", 400)

    data = message(database, run)["data"]

    assert (data["status"], data["error"], data["outputs"]) == ("failed", "No such node type.", {})
    assert set(data) == {
        "id", "workflow_id", "sequence_number", "status", "outputs", "error", "elapsed_time", "total_tokens", "total_steps", "created_by",
        "created_at", "finished_at", "exceptions_count", "files",
    }  # fmt: skip


def test_a_message_tells_what_was_true_when_it_was_stored(database: Database) -> None:
    """The run went on since, as one that waited for people, or was taken up again."""
    run = told_to(database, URL, (PAUSED,))
    paused = {"event": "workflow_paused", "data": {"status": "paused", "created_at": 100, "reasons": [], "paused_nodes": ["ask"]}}
    with database.begin() as session:
        store_events(session, run.run_id, EventStretch.of(1, [b'{"event":"workflow_started"}', dump(paused, remote_address)]))
        session.execute(update(RUNS).values(last_event=2))
        announce(session, run.run_id, PAUSED)
        later = dump({**paused, "data": {**paused["data"], "paused_nodes": ["other"]}}, remote_address)
        store_events(session, run.run_id, EventStretch.of(3, [b'{"event":"workflow_started"}', later]))

    told = message(database, run)

    assert (told["type"], told["data"]) == ("workflow.paused", paused["data"])


def test_there_is_no_message_about_a_run_that_is_gone(database: Database) -> None:
    run, other = told_to(database, URL), accept(database)
    add_endpoint(database, other, URL)
    end(database, run)
    delivery = take(database, run, URL)
    with database.begin() as session:
        delete_app(session, run.app_id)

    assert message_of(database, delivery, remote_address) is None


def test_a_batch_tells_of_itself(database: Database) -> None:
    run = told_to(database, URL)
    new = batches.NewBatch(run.app_id, run.workflow_id, run.workflow_version, run.end_user_id, metadata={"night": "1"})
    with database.begin() as session:
        batch_id = batches.new_batch(session, new).batch_id
        batches.add_items(session, batch_id, [batches.NewItem("a", 1)])
        batches.seal_batch(session, batch_id)
    with database.begin() as session:
        cancel_batch(session, run.app_id, batch_id)
        close(session, batch_id)

    told = message(database, run)

    assert {name: told[name] for name in ("type", "app_id", "batch_id")} == {
        "type": "batch.cancelled",
        "app_id": run.app_id,
        "batch_id": batch_id,
    }
    assert (told["data"]["id"], told["data"]["status"], told["data"]["metadata"]) == (batch_id, "cancelled", {"night": "1"})
    assert (told["data"]["counts"]["total"], told["data"]["counts"]["cancelled"]) == (1, 1)
    assert "workflow_run_id" not in told


def test_a_batch_that_is_gone_tells_nothing(database: Database) -> None:
    run = told_to(database, URL)
    with database.begin() as session:
        batch = batches.NewBatch(run.app_id, run.workflow_id, run.workflow_version, run.end_user_id)
        batch_id = batches.new_batch(session, batch).batch_id
        announce_batch(session, batch_id, "batch.completed")

    assert message_of(database, take(database, run, URL), remote_address) is None
