"""The news of all runs, for the readers of one process: a single pattern subscription, shared by any number of streams."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import Self

import redis

from worker.bus.channel import Channel, literal
from worker.bus.events import news_channel
from worker.bus.ports import LAGGING, News
from worker.config import Config

#: News that wait for one reader; beyond either bound it is served from the log (design.md invariant 8).
QUEUE_LENGTH = 256
QUEUE_BYTES = 512 * 1024


class Subscription:
    """News of one run that wait for their reader; see ``ports.SubscriptionPort``."""

    def __init__(self, run_id: str, forget: Callable[[Subscription], None]) -> None:
        self.run_id = run_id
        self._forget = forget
        self._changed = threading.Condition()
        self._queue: deque[News] = deque()
        self._size = 0

    def get(self, timeout_s: float) -> News | None:
        deadline = time.monotonic() + timeout_s
        with self._changed:
            while not self._queue:
                left_s = deadline - time.monotonic()
                if left_s <= 0 or not self._changed.wait(left_s):
                    break
            return self._pop() if self._queue else None

    def put(self, news: News) -> None:
        """Called by the listener. Never waits: a queue that is full is replaced by ``LAGGING``."""
        with self._changed:
            self._queue.append(news)
            self._size += _size(news)
            if len(self._queue) > QUEUE_LENGTH or self._size > QUEUE_BYTES:
                self._lag()
            self._changed.notify()

    def lag(self) -> None:
        """News may have been missed, or the reader is to wake up for a reason of its own."""
        with self._changed:
            self._lag()
            self._changed.notify()

    def close(self) -> None:
        self._forget(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def _pop(self) -> News:
        news = self._queue.popleft()
        self._size -= _size(news)
        return news

    def _lag(self) -> None:
        self._queue.clear()
        self._queue.append(LAGGING)
        self._size = 0


class Listener:
    """Hands the news of every run to those who asked for it; see ``ports.ListenerPort``.

    The thread starts with the first subscription, so that a process may fork before. One per process.
    """

    def __init__(self, client: redis.Redis, config: Config) -> None:
        self._channel_name = news_channel(config.redis_prefix).encode()
        self._lock = threading.Lock()
        self._subscriptions: dict[bytes, set[Subscription]] = {}
        pattern = literal(news_channel(config.redis_prefix)) + "*"
        self._channel = Channel(client, pattern, self._dispatch, self._mark_lagging)

    def subscribe(self, run_id: str) -> Subscription:
        subscription = Subscription(run_id, self._forget)
        with self._lock:
            self._subscriptions.setdefault(run_id.encode(), set()).add(subscription)
        self._channel.start()
        return subscription

    def close(self) -> None:
        """End thread and connection. Subscriptions that are still open hear nothing more."""
        self._channel.close()

    def _forget(self, subscription: Subscription) -> None:
        key = subscription.run_id.encode()
        with self._lock:
            readers = self._subscriptions.get(key, set())
            readers.discard(subscription)
            if not readers:
                self._subscriptions.pop(key, None)

    def _dispatch(self, channel: bytes, payload: bytes) -> None:
        with self._lock:
            readers = list(self._subscriptions.get(channel.removeprefix(self._channel_name), ()))
        if readers:
            news = parse_news(payload)
            for reader in readers:
                reader.put(news)

    def _mark_lagging(self) -> None:
        with self._lock:
            readers = [reader for group in self._subscriptions.values() for reader in group]
        for reader in readers:
            reader.lag()


def parse_news(payload: bytes) -> News:
    """What ``events.APPEND`` publishes: ``first last terminal`` on the first line, then the frames if they were small enough."""
    header, _, body = payload.partition(b"\n")
    first, last, is_terminal = header.split(b" ")
    return News(int(first), int(last), is_terminal == b"1", tuple(body.split(b"\n")) if body else None)


def _size(news: News) -> int:
    return sum(map(len, news.frames or ()))
