"""Events as Server-Sent Events, byte by byte as api-contract.md section 4.1 wants them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack

from app.errors import APIError, translate
from app.stream.relay import Relay
from worker.bus.ports import LogEntry

log = logging.getLogger(__name__)

PING = b"event: ping\n\n"
#: Milliseconds that a client which can resume waits before it comes back to another instance.
RETRY = b"retry: 1000\n\n"

#: Bytes that are handed to the web server at a time: the time for sending counts for each, so that slow clients differ from dead ones.
PIECE_BYTES = 256 * 1024

HEADERS = {
    "Content-Type": "text/event-stream; charset=utf-8",
    "Cache-Control": "no-cache",
    "X-Accel-Buffering": "no",
}

#: Makes the ``error`` frame of a run from the answer that the failure would have been before the stream.
EncodeError = Callable[[APIError], bytes]


def sse_frame(entry: LogEntry, with_id: bool) -> bytes:
    """One event. ``id:`` only for those who asked: some clients turn what follows it into empty events."""
    identity = b"\nid: %d" % entry.number if with_id else b""
    return b"data: " + entry.frame + identity + b"\n\n"


def pieces(frame: bytes) -> Iterator[bytes]:
    for start in range(0, len(frame), PIECE_BYTES):
        yield frame[start : start + PIECE_BYTES]


class StreamBody:
    """The body of a streaming answer.

    ``close`` is called by the web server whatever happens, also if the client left before the first byte; a generator would not
    run its ``finally`` then.
    """

    def __init__(self, chunks: Generator[bytes], resources: ExitStack) -> None:
        self._chunks = chunks
        self._resources = resources

    def __iter__(self) -> Iterator[bytes]:
        return self._chunks

    def close(self) -> None:
        """A client that leaves changes nothing about what it was told of."""
        self._chunks.close()
        self._resources.close()


class EventStream(StreamBody):
    """The events of a run."""

    def __init__(self, relay: Relay, encode_error: EncodeError, resources: ExitStack, *, with_ids: bool) -> None:
        super().__init__(self._generate(), resources)
        self._relay = relay
        self._encode_error = encode_error
        self._with_ids = with_ids

    def _generate(self) -> Generator[bytes]:
        # An empty chunk makes the web server send the headers now, before the first event.
        yield b""
        try:
            for entry in self._relay:
                yield from pieces(PING if entry is None else sse_frame(entry, self._with_ids))
        except Exception as error:
            # The status was sent long ago, and a stream must not end without saying how (api-contract.md section 4.8).
            yield b"data: " + self._encode_error(translate(error)) + b"\n\n"
        if self._relay.is_released and self._with_ids:
            yield RETRY
