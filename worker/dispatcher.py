"""Sends runs to the workers: a message is a hint that a run waits in SQL (reliability.md section 0)."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import Protocol

import redis

from worker.broker import QUEUE
from worker.bus.tasks import TaskQueues

logger = logging.getLogger(__name__)


class Dispatcher(Protocol):
    """May lose a message, never a run: the sweeper sends again what nobody claimed."""

    def send(self, run_id: str, task_id: str, queue: str | None = None) -> bool:
        """Ask for a worker; ``queue`` is the run's own, None that of runs that somebody waits for. False: the broker is away."""

    def backlog(self, queue: str | None = None) -> int | None:
        """Messages that wait for a worker; None: the broker is away."""


class CeleryDispatcher:
    """Sends Celery tasks; the task's id is the run's ``task_id``, by which it is revoked."""

    def __init__(self, client: redis.Redis, prefix: str) -> None:
        self._queues = TaskQueues(client, prefix)

    def send(self, run_id: str, task_id: str, queue: str | None = None) -> bool:
        try:
            self._queues.put(run_id, task_id, queue or QUEUE)
        except redis.RedisError as error:
            logger.warning("The task of run %s could not be sent; it is sent again later: %s", run_id, error)
            return False
        return True

    def backlog(self, queue: str | None = None) -> int | None:
        try:
            return self._queues.length(queue or QUEUE)
        except redis.RedisError:
            return None


@dataclass(slots=True)
class MemoryDispatcher:
    """Keeps what it is told to send."""

    #: ``(run id, task id)``, in order.
    sent: list[tuple[str, str]] = field(default_factory=list)
    #: Queue of each run that was sent, by its id.
    queues: dict[str, str | None] = field(default_factory=dict)
    waiting: int | None = 0

    def send(self, run_id: str, task_id: str, queue: str | None = None) -> bool:
        self.sent.append((run_id, task_id))
        self.queues[run_id] = queue
        return True

    def backlog(self, queue: str | None = None) -> int | None:
        return self.waiting
