"""The broker's queues hold tasks of runs that exist."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

import redis
from sqlalchemy import select

from worker.broker import QUEUES
from worker.doctor.finding import Check, Finding
from worker.store.models import RUNS
from worker.store.session import Database

#: Messages of one batch.
BATCH = 500

MESSAGES = Check(
    "messages",
    "Every task in the queue is that of a run in the database.",
    "API and workers use another database than this one, or it was restored from a backup. Tasks of runs that were deleted do no harm.",
)


class Messages:
    """An ``Area``: its keys are ids of tasks."""

    checks = (MESSAGES,)
    settle_s = 1.0

    def __init__(self, database: Database, client: redis.Redis, prefix: str) -> None:
        self._database = database
        self._client = client
        self._queues = [prefix + queue for queue in QUEUES]

    def batches(self) -> Iterator[Sequence[str]]:
        """The queues move meanwhile: a task that is added may be left out."""
        for queue in self._queues:
            yield from self._of_queue(queue)

    def _of_queue(self, queue: str) -> Iterator[Sequence[str]]:
        start = 0
        while messages := self._client.lrange(queue, start, start + BATCH - 1):
            yield [task_of(message) for message in messages]
            start += BATCH

    def look(self, keys: Sequence[str]) -> list[Finding]:
        with self._database.read() as session:
            known = set(session.scalars(select(RUNS.c.task_id).where(RUNS.c.task_id.in_(keys))))
        return [
            MESSAGES.finding(task_id, "waits in the queue, and no run has this task")
            for task_id in dict.fromkeys(keys)
            if task_id not in known
        ]


def task_of(message: bytes | str) -> str:
    """Id of the task that a message of Celery is about; the message itself, cut, if it is none."""
    try:
        return str(json.loads(message)["headers"]["id"])
    except (ValueError, KeyError, TypeError):
        return repr(message[:100])
