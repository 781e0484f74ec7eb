"""The relays of this process: bounded in number, and ended together when the process is to end (reliability.md section 1.8)."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from typing import Protocol

from app.errors import APIError


class Stream(Protocol):
    """A relay, or anything else that answers for as long as it takes."""

    def release(self) -> None:
        """End soon; called from any thread."""


class OpenStreams:
    """``limit``: relays at a time, streams and waiting calls together; 0: any number.

    Beyond the web server's own bound connections hang without an answer (P41), so this one is lower and answers.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._changed = threading.Condition()
        self._streams: set[Stream] = set()
        self._calls: set[Stream] = set()
        self.is_draining = False

    def check_room(self) -> None:
        """Raises ``APIError`` 503 if this process cannot take another reader."""
        with self._changed:
            is_full = bool(self._limit) and len(self._streams) + len(self._calls) >= self._limit
        if self.is_draining or is_full:
            raise APIError("service_unavailable", "This instance has no room for another stream. Please try again.")

    def add(self, relay: Stream, *, is_call: bool = False) -> None:
        """``is_call``: a blocking call, which cannot be resumed and so gets time to finish."""
        with self._changed:
            (self._calls if is_call else self._streams).add(relay)
        if self.is_draining:
            relay.release()

    def remove(self, relay: Stream) -> None:
        with self._changed:
            self._streams.discard(relay)
            self._calls.discard(relay)
            self._changed.notify_all()

    def drain(self, grace_s: float) -> None:
        """End the streams now, and the calls that still wait after ``grace_s`` seconds. Takes no new ones from now on."""
        self.is_draining = True
        _release(self._snapshot(self._streams))
        with self._changed:
            self._changed.wait_for(lambda: not self._calls, timeout=grace_s)
        _release(self._snapshot(self._calls))

    def _snapshot(self, relays: set[Stream]) -> list[Stream]:
        with self._changed:
            return list(relays)


def _release(relays: Iterable[Stream]) -> None:
    for relay in relays:
        relay.release()
