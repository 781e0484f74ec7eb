"""Messages for Celery workers, put into their queue as Celery itself would (its message protocol 2, kombu's form for Redis).

Celery takes 0.7 ms to send one, most of it for choices that are none here. Whoever sends while others wait for Redis goes with the next
command, together with them.
"""

from __future__ import annotations

import os
import socket
import uuid
from base64 import b64encode
from collections.abc import Sequence
from typing import Any

import orjson
import redis

from worker.broker import QUEUE, TASK
from worker.turns import Piece, Turns

#: After the arguments and keyword arguments of a task.
EMBEDDED = {"callbacks": None, "errbacks": None, "chain": None, "chord": None}

#: What the headers of every message have alike.
HEADERS: dict[str, Any] = {
    "lang": "py",
    "task": TASK,
    **dict.fromkeys(("shadow", "eta", "expires", "group", "group_index", "parent_id", "stamped_headers")),
    "retries": 0,
    "timelimit": [None, None],
    "kwargsrepr": "{}",
    "origin": f"{os.getpid()}@{socket.gethostname()}",
    "ignore_result": True,
    "replaced_task_nesting": 0,
    "stamps": {},
}

#: ``(queue, message)``.
Letter = tuple[str, bytes]


def task_message(run_id: str, task_id: str, queue: str = QUEUE) -> bytes:
    """The message that has a worker execute a run; the task can be revoked by its id."""
    headers = {**HEADERS, "id": task_id, "root_id": task_id, "argsrepr": repr([run_id])}
    properties = {
        "correlation_id": task_id,
        "reply_to": "",
        "delivery_mode": 2,
        "delivery_info": {"exchange": "", "routing_key": queue},
        "priority": 0,
        "body_encoding": "base64",
        "delivery_tag": str(uuid.uuid4()),
    }
    message: dict[str, Any] = {
        "body": b64encode(orjson.dumps([[run_id], {}, EMBEDDED])).decode(),
        "content-encoding": "utf-8",
        "content-type": "application/json",
        "headers": headers,
        "properties": properties,
    }
    return orjson.dumps(message)


class TaskQueues:
    """The queues of a deployment; used from any thread."""

    def __init__(self, client: redis.Redis, prefix: str) -> None:
        self._client = client
        self._prefix = prefix
        self._turns = Turns(self._put_together)

    def put(self, run_id: str, task_id: str, queue: str = QUEUE, patience_s: float = -1) -> None:
        """Raises ``redis.RedisError`` while Redis is away, ``TimeoutError`` if others wait for it longer than ``patience_s``."""
        self._turns.get((queue, task_message(run_id, task_id, queue)), patience_s)

    def length(self, queue: str = QUEUE) -> int:
        """Messages that wait for a worker. Raises ``redis.RedisError``."""
        return int(self._client.llen(f"{self._prefix}{queue}"))

    def _put_together(self, pieces: Sequence[Piece[Letter]]) -> None:
        for queue in dict.fromkeys(piece.order[0] for piece in pieces):
            mine = [piece for piece in pieces if piece.order[0] == queue]
            try:
                self._client.lpush(f"{self._prefix}{queue}", *(piece.order[1] for piece in mine))
            except redis.RedisError as error:
                for piece in mine:
                    piece.error = error
