"""Redis clients made from settings."""

from __future__ import annotations

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from worker.config import Config, ConfigError

#: Seconds for one command. Redis answers in well under a millisecond; more means that the network or the server is gone, and
#: whoever waits has something better to do (the log is written again later, the reader turns to SQL).
COMMAND_TIMEOUT_S = 5.0
CONNECT_TIMEOUT_S = 3.0

#: Connections of one client: as many as can be busy at once. Whoever finds none free waits for one, as for an answer; redis-py's own
#: pool fails then, and thousands of streams took that for a Redis that is away.
MAX_CONNECTIONS = 64

#: Seconds of silence after which a connection is tried with a PING before it is used again.
HEALTH_CHECK_S = 10


def connect(config: Config, timeout_s: float = COMMAND_TIMEOUT_S) -> redis.Redis:
    """A client with its own pool; nothing is opened yet. Raises ``ConfigError`` for an address that cannot be used.

    A command is tried again once, at once: a pooled connection may have died while it lay idle.
    """
    if not config.redis_url:
        raise ConfigError("REDIS_URL is empty, but must be the address of a Redis or Valkey server.")
    try:
        pool = redis.BlockingConnectionPool.from_url(
            config.redis_url,
            max_connections=MAX_CONNECTIONS,
            timeout=timeout_s,
            socket_timeout=timeout_s,
            socket_connect_timeout=min(timeout_s, CONNECT_TIMEOUT_S),
            health_check_interval=HEALTH_CHECK_S,
            retry=Retry(NoBackoff(), 1),
            # RESP3 would cost every new connection a HELLO and gain nothing here.
            protocol=2,
        )
    except ValueError as error:
        raise ConfigError(f"REDIS_URL cannot be used: {error}") from error
    return redis.Redis.from_pool(pool)
