"""A pub/sub subscription that heals itself: one thread, one connection, one pattern or channel."""

from __future__ import annotations

import logging
import random
import threading
from collections.abc import Callable
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

logger = logging.getLogger(__name__)

#: Seconds that one read waits; bounds how long ``close`` takes.
READ_S = 0.5

#: PINGs without an answer, one each ``READ_S`` after ten seconds of silence, that make a connection count as dead.
UNANSWERED_PINGS = 10

#: Seconds between attempts to connect: doubling from the first to the second number.
BACKOFF_S = (0.1, 2.0)

#: Called with the name of the channel and the payload.
OnMessage = Callable[[bytes, bytes], None]


class Channel:
    """Reads one pattern for as long as the process lives.

    ``on_connect`` runs after each (re)connection, before the first message of it: messages may have been missed until then. Both
    callbacks run in the reading thread and must return quickly.
    """

    def __init__(self, client: redis.Redis, pattern: str, on_message: OnMessage, on_connect: Callable[[], None]) -> None:
        self._client = client
        self._pattern = pattern
        self._on_message = on_message
        self._on_connect = on_connect
        self._closed = threading.Event()
        self._connected = threading.Event()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to read in a thread of its own; does nothing if it was begun or closed already."""
        with self._lock:
            if self._thread is None and not self._closed.is_set():
                self._thread = threading.Thread(target=self._run, name=f"redis {self._pattern}", daemon=True)
                self._thread.start()

    def wait_connected(self, timeout_s: float) -> bool:
        """True once the subscription stands."""
        return self._connected.wait(timeout_s)

    def close(self) -> None:
        """End the thread and its connection, and wait for that."""
        with self._lock:
            self._closed.set()
            thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join()

    def _run(self) -> None:
        backoff_s = BACKOFF_S[0]
        while not self._closed.is_set():
            try:
                self._read()
            except (redis.RedisError, OSError) as error:
                backoff_s = BACKOFF_S[0] if self._connected.is_set() else min(backoff_s * 2, BACKOFF_S[1])
                self._connected.clear()
                logger.warning("Subscription to %s lost, next attempt in about %.1f s: %s", self._pattern, backoff_s, error)
                # Jitter keeps many processes from coming back in one instant.
                self._closed.wait(backoff_s * random.uniform(0.5, 1.5))

    def _read(self) -> None:
        with self._client.pubsub() as subscription:  # type: ignore[no-untyped-call]
            subscription.psubscribe(self._pattern)
            # A silent reconnection inside the library would hide that messages were missed.
            subscription.connection.retry = Retry(NoBackoff(), 0)
            while not self._closed.is_set():
                message = subscription.get_message(timeout=READ_S)
                if message is not None:
                    self._handle(message)
                elif subscription.health_check_response_counter > UNANSWERED_PINGS:
                    raise redis.ConnectionError("the server does not answer")

    def _handle(self, message: dict[str, Any]) -> None:
        if message["type"] == "pmessage":
            self._on_message(message["channel"], message["data"])
        elif message["type"] == "psubscribe":
            self._connected.set()
            self._on_connect()


def literal(text: str) -> str:
    """``text`` as a pattern that matches nothing else."""
    return "".join(f"\\{character}" if character in "*?[\\" else character for character in text)
