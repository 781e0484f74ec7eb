"""How a batch gets on, told whenever it changes: from SQL, so that any instance can tell it, and holding no connection in between."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator, Iterator
from typing import Any

from app.errors import APIError, translate
from app.stream.sse import PING
from worker.store.encoding import dumps

#: Seconds between two looks.
LOOK_S = 1.0

#: What a batch says of itself: what has changed if it is not equal to the last one, the event's data, and whether it has ended.
Look = Callable[[], tuple[Any, dict[str, Any], bool]]


class Progress:
    """Iterate over it: the data of an event, and whether it is the last one; None where a keep-alive is due."""

    def __init__(self, look: Look, ping_interval_s: float, clock: Callable[[], float] = time.monotonic, look_s: float = LOOK_S) -> None:
        self._look = look
        self._ping_interval_s = ping_interval_s
        self._clock = clock
        self._look_s = look_s
        self._released = threading.Event()
        self._next_ping = clock() + ping_interval_s

    def release(self) -> None:
        """End the iteration soon, from any thread, although the batch goes on."""
        self._released.set()

    def __iter__(self) -> Iterator[tuple[dict[str, Any], bool] | None]:
        told, has_ended = None, False
        while not has_ended and not self._released.is_set():
            state, data, has_ended = self._look()
            if state != told:
                told = state
                yield data, has_ended
            if not has_ended and self._is_ping_due():
                yield None
            if not has_ended:
                self._released.wait(self._look_s)

    def _is_ping_due(self) -> bool:
        if self._clock() < self._next_ping:
            return False
        self._next_ping = self._clock() + self._ping_interval_s
        return True


def progress_chunks(progress: Progress) -> Generator[bytes]:
    """Server-Sent Events ``batch_progress``, and ``batch_finished`` at the end."""
    # An empty chunk makes the web server send the headers now.
    yield b""
    try:
        for told in progress:
            yield PING if told is None else frame("batch_finished" if told[1] else "batch_progress", told[0])
    except Exception as error:
        # The status was sent long ago, and a stream must not end without saying how.
        yield error_frame(translate(error))


def frame(event: str, data: dict[str, Any]) -> bytes:
    return b"data: " + dumps({"event": event, "data": data}).lstrip().encode() + b"\n\n"


def error_frame(error: APIError) -> bytes:
    return b"data: " + dumps({"event": "error", **error.body()}).lstrip().encode() + b"\n\n"
