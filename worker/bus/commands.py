"""Requests to runs over the control channel: the quick way; the flag in SQL is the sure one (reliability.md section 1.5)."""

from __future__ import annotations

import logging
from collections.abc import Callable

import orjson
import redis

from worker.bus.channel import Channel, literal
from worker.bus.ports import OnStop
from worker.config import Config

logger = logging.getLogger(__name__)


class Commands:
    """Sends requests to whichever worker executes a run; see ``ports.CommandsPort``."""

    def __init__(self, client: redis.Redis, config: Config) -> None:
        self._client = client
        self._channel = control_channel(config.redis_prefix)

    def stop(self, run_id: str) -> None:
        """Raises ``redis.RedisError`` while Redis is away; the worker then finds the flag with its next heartbeat."""
        self._client.publish(self._channel, orjson.dumps({"stop": run_id}))


class CommandListener:
    """The worker's end of the control channel: calls ``on_stop`` with the id of every run that is to end, on whatever worker.

    ``on_connect`` runs after each connection: requests may have been missed until then.
    """

    def __init__(self, client: redis.Redis, config: Config, on_stop: OnStop, on_connect: Callable[[], None]) -> None:
        self._on_stop = on_stop
        self._channel = Channel(client, literal(control_channel(config.redis_prefix)), self._handle, on_connect)

    def start(self) -> None:
        self._channel.start()

    def wait_connected(self, timeout_s: float) -> bool:
        return self._channel.wait_connected(timeout_s)

    def close(self) -> None:
        self._channel.close()

    def _handle(self, _: bytes, payload: bytes) -> None:
        try:
            command = orjson.loads(payload)
            run_id = str(command["stop"])
        except (ValueError, TypeError, KeyError):
            # Another release may know commands that this one does not.
            logger.warning("Unknown command on the control channel: %.200r", payload)
            return
        self._on_stop(run_id)


def control_channel(prefix: str) -> str:
    return f"{prefix}control"
