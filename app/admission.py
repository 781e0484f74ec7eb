"""How many run calls may be open: per app over all instances, and per process (api-contract.md section 1.7)."""

from __future__ import annotations

import logging
import threading
import uuid
from collections import Counter
from typing import Protocol

import redis

from app.errors import APIError
from worker.config import Config

log = logging.getLogger(__name__)

#: Seconds after which an open call is taken for one of a process that died.
STALE_S = 600

#: KEYS: the app's open calls, a sorted set by time of entry. ARGV: limit, name of the call, stale seconds. Answers 1 if it may enter.
ENTER = """
local now = tonumber(redis.call('TIME')[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - tonumber(ARGV[3]))
if redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[1]) then return 0 end
redis.call('ZADD', KEYS[1], now, ARGV[2])
redis.call('EXPIRE', KEYS[1], ARGV[3])
return 1
"""


class Ceiling(Protocol):
    """Counts the open run calls of each app."""

    def enter(self, app_id: str) -> str | None:
        """A name for the call, to leave with; None: the app has as many open calls as it may."""

    def leave(self, app_id: str, call: str) -> None: ...


class RedisCeiling:
    """Holds over all instances. While Redis is away every call may enter: runs are worth more than the limit."""

    def __init__(self, client: redis.Redis, config: Config, limit: int) -> None:
        self._client = client
        self._prefix = config.redis_prefix
        self._limit = limit
        self._enter = client.register_script(ENTER)

    def enter(self, app_id: str) -> str | None:
        call = uuid.uuid4().hex
        if not self._limit:
            return call
        try:
            may_enter = self._enter(keys=[self._key(app_id)], args=[self._limit, call, STALE_S])
        except redis.RedisError as error:
            log.warning("Open calls of app %s cannot be counted: %s", app_id, error)
            return call
        return call if may_enter else None

    def leave(self, app_id: str, call: str) -> None:
        if not self._limit:
            return
        try:
            self._client.zrem(self._key(app_id), call)
        except redis.RedisError as error:
            log.warning("An ended call of app %s counts as open until it is stale: %s", app_id, error)

    def _key(self, app_id: str) -> str:
        return f"{self._prefix}open:{app_id}"


class MemoryCeiling:
    """Twin of ``RedisCeiling`` for one process."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._lock = threading.Lock()
        self._open: Counter[str] = Counter()

    def enter(self, app_id: str) -> str | None:
        with self._lock:
            if self._limit and self._open[app_id] >= self._limit:
                return None
            self._open[app_id] += 1
            return "call"

    def leave(self, app_id: str, call: str) -> None:
        with self._lock:
            self._open[app_id] -= 1


def enter(ceiling: Ceiling, app_id: str) -> str:
    """Raises ``APIError`` 429 where the app has as many open calls as it may."""
    call = ceiling.enter(app_id)
    if call is None:
        raise APIError("too_many_requests", "Too many requests. Please try again later. The app has reached its limit of open runs.")
    return call
