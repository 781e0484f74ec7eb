"""The bus without Redis, for one process: the same rules, kept in dictionaries."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field

from worker.bus.listener import Subscription
from worker.bus.ports import LogEntry, News, OnStop
from worker.engine.errors import RunFenced


class MemoryListener:
    """Twin of ``listener.Listener``; a ``MemoryEventLog`` feeds it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._subscriptions: list[Subscription] = []

    def subscribe(self, run_id: str) -> Subscription:
        subscription = Subscription(run_id, self._forget)
        with self._lock:
            self._subscriptions.append(subscription)
        return subscription

    def publish(self, run_id: str, news: News) -> None:
        with self._lock:
            readers = [reader for reader in self._subscriptions if reader.run_id == run_id]
        for reader in readers:
            reader.put(news)

    def close(self) -> None:
        with self._lock:
            self._subscriptions = []

    def _forget(self, subscription: Subscription) -> None:
        with self._lock:
            self._subscriptions = [other for other in self._subscriptions if other is not subscription]


@dataclass(slots=True)
class _Log:
    fence: int = 0
    entries: list[LogEntry] = field(default_factory=list)

    @property
    def last(self) -> int:
        return self.entries[-1].number if self.entries else 0

    def hold(self, attempt: int) -> None:
        if self.fence > attempt:
            raise RunFenced
        self.fence = attempt


class MemoryEventLog:
    """Twin of ``events.EventLog``. Keeps everything, and every piece of news carries its frames."""

    def __init__(self, listener: MemoryListener | None = None) -> None:
        self._listener = listener or MemoryListener()
        self._lock = threading.Lock()
        self._logs: dict[str, _Log] = {}

    def open(self, run_id: str, attempt: int, after: int = 0) -> list[LogEntry]:
        with self._lock:
            log = self._logs.setdefault(run_id, _Log())
            log.hold(attempt)
            return [entry for entry in log.entries if entry.number > after]

    def append(self, run_id: str, attempt: int, first: int, frames: Sequence[bytes], *, stored: int = 0, is_terminal: bool = False) -> int:
        with self._lock:
            log = self._logs.setdefault(run_id, _Log())
            if log.fence < attempt:
                log.entries.clear()
            log.hold(attempt)
            if max(log.last, stored) < first - 1:
                return log.last
            added = _missing(log, first, frames, is_terminal)
            log.entries += added
        if added:
            news = News(added[0].number, added[-1].number, is_terminal, tuple(entry.frame for entry in added))
            self._listener.publish(run_id, news)
        return log.last

    def read(self, run_id: str, after: int, count: int) -> list[LogEntry]:
        with self._lock:
            entries = self._logs.get(run_id, _Log()).entries
            return [entry for entry in entries if entry.number > after][:count]

    def lose(self) -> None:
        """Forget everything, as a Redis does that comes back empty."""
        with self._lock:
            self._logs.clear()


def _missing(log: _Log, first: int, frames: Sequence[bytes], is_terminal: bool) -> list[LogEntry]:
    last = first + len(frames) - 1
    entries = (LogEntry(number, frame, is_terminal and number == last) for number, frame in enumerate(frames, first))
    return [entry for entry in entries if entry.number > log.last]


class MemoryCommands:
    """Twin of ``commands.Commands`` and its listener."""

    def __init__(self, on_stop: OnStop) -> None:
        self._on_stop = on_stop

    def stop(self, run_id: str) -> None:
        self._on_stop(run_id)
