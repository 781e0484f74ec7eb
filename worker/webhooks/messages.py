"""What a webhook message says: of a run, the data of the event that readers of its stream got, with files signed anew."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from worker.bus.json_text import dump
from worker.bus.wire import ENCODERS, Envelope
from worker.engine.events import RunFinished
from worker.engine.values import FileURL
from worker.engine.variables import remote_address, restore_files
from worker.store.batch_facts import describe, get_batch
from worker.store.deliveries import Delivery
from worker.store.events import read_last
from worker.store.readers import ReadableRun, find_readable
from worker.store.runs import RunDetail, get_run
from worker.store.session import Database
from worker.store.webhooks import PAUSED

#: How the frames begin that a message may tell.
FINISHED_FRAME = b'{"event":"workflow_finished",'
PAUSED_FRAME = b'{"event":"workflow_paused",'


def message_of(database: Database, delivery: Delivery, file_url: FileURL) -> bytes | None:
    """The body of a delivery. None: its run or batch is gone. Raises ``StorageUnavailable``."""
    if delivery.run_id is None:
        return batch_message_of(database, delivery)
    beginning = PAUSED_FRAME if delivery.event == PAUSED else FINISHED_FRAME
    with database.read() as session:
        run = get_run(session, delivery.app_id, delivery.run_id)
        reader = find_readable(session, delivery.app_id, delivery.run_id)
        frame = read_last(session, delivery.run_id, (beginning,), delivery.event_number)
    if run is None or reader is None:
        return None
    data = outcome_of(run, reader) if frame is None else json.loads(frame)["data"]
    return body_of(delivery, run, restore_files(data), file_url)


def batch_message_of(database: Database, delivery: Delivery) -> bytes | None:
    with database.read() as session:
        batch = None if delivery.batch_id is None else get_batch(session, delivery.app_id, delivery.batch_id)
    if batch is None:
        return None
    message = {
        "type": delivery.event,
        "timestamp": timestamp_of(delivery),
        "app_id": delivery.app_id,
        "batch_id": batch.id,
        "data": describe(batch),
    }
    return dump(message, remote_address)


def body_of(delivery: Delivery, run: RunDetail, data: dict[str, Any], file_url: FileURL) -> bytes:
    message = {
        "type": delivery.event,
        "timestamp": timestamp_of(delivery),
        "app_id": delivery.app_id,
        "workflow_run_id": run.run_id,
        "task_id": run.task_id,
        "data": data,
    }
    return dump(message, file_url)


def timestamp_of(delivery: Delivery) -> str:
    return datetime.fromtimestamp(delivery.created_at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def outcome_of(run: RunDetail, reader: ReadableRun) -> dict[str, Any]:
    """The same from the record of the run: one that was never begun has no such event, and events are not kept as long as runs."""
    envelope = Envelope(run.run_id, run.task_id, run.workflow_id, run.sequence_number, run.end_user_id, reader.user, remote_address)
    finished = RunFinished(
        status=run.status,
        outputs=restore_files(run.outputs),
        error=run.error,
        elapsed_s=run.elapsed_time,
        total_tokens=run.total_tokens,
        total_steps=run.total_steps,
        exceptions_count=run.exceptions_count,
        created_at=run.created_at,
        finished_at=run.finished_at or run.created_at,
    )
    data: dict[str, Any] = ENCODERS[RunFinished](finished, envelope)[1]
    return data
