"""Many streams of runs read by one thread, each over a bare connection: an HTTP library would take more time than what is measured."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import orjson

from tests.services.client import RUN

DATA = b"data: "


@dataclass(slots=True)
class StreamedRun:
    """What one reader saw of its run."""

    #: Nanoseconds from the time that a token says it was sent at to the time it was read; only tokens that are such a time count.
    delays_ns: list[int] = field(default_factory=list)
    #: Monotonic seconds.
    asked_at: float = 0.0
    started_at: float | None = None
    ended_at: float | None = None
    chunks: int = 0
    #: The text of all chunks.
    text: list[str] = field(default_factory=list)
    #: The data of ``workflow_finished``.
    finished: Mapping[str, Any] | None = None
    #: What came instead of a stream.
    refusal: bytes = b""

    @property
    def is_whole(self) -> bool:
        """Whether the run succeeded and the chunks add up to its output."""
        return self.finished is not None and self.finished["outputs"] == {"answer": "".join(self.text)}

    def take(self, event: Mapping[str, Any], now_ns: int) -> None:
        kind, data = event["event"], event.get("data", {})
        if kind == "text_chunk":
            self._take_text(data["text"], now_ns)
        elif kind == "workflow_started":
            self.started_at = time.monotonic()
        elif kind == "workflow_finished":
            self.finished, self.ended_at = data, time.monotonic()

    def _take_text(self, text: str, now_ns: int) -> None:
        self.chunks += 1
        self.text.append(text)
        if text.strip().isdecimal():
            self.delays_ns.append(now_ns - int(text))


class Reader(asyncio.Protocol):
    """Sends one request and reads the stream that answers it."""

    def __init__(self, request: bytes, run: StreamedRun, done: asyncio.Future[None]) -> None:
        self._request = request
        self._run = run
        self._done = done
        self._rest = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.WriteTransport)
        self._run.asked_at = time.monotonic()
        transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        now_ns = time.time_ns()
        *lines, self._rest = (self._rest + data).split(b"\n")
        if lines and lines[0].startswith(b"HTTP/1.1 ") and b" 200 " not in lines[0]:
            self._run.refusal = data
        for line in lines:
            # The sizes of chunks and empty lines stand between the events.
            if line.startswith(DATA):
                self._run.take(orjson.loads(line[len(DATA) :]), now_ns)

    def connection_lost(self, error: Exception | None) -> None:
        if not self._done.done():
            self._done.set_result(None)


async def stream_runs(url: str, api_key: str, inputs: Sequence[Mapping[str, Any]], ramp_s: float) -> list[StreamedRun]:
    """Open a stream for each of ``inputs``, spread over ``ramp_s`` seconds, and read all to their ends."""
    loop, runs = asyncio.get_running_loop(), [StreamedRun() for _ in inputs]
    parts = urlsplit(url)
    done = []
    for number, (values, run) in enumerate(zip(inputs, runs, strict=True)):
        done.append(loop.create_future())
        request = request_bytes(parts.netloc, api_key, values, f"reader {number}")
        await loop.create_connection(lambda request=request, run=run, end=done[-1]: Reader(request, run, end), parts.hostname, parts.port)
        await asyncio.sleep(ramp_s / len(inputs))
    await asyncio.gather(*done)
    return runs


def request_bytes(host: str, api_key: str, inputs: Mapping[str, Any], user: str) -> bytes:
    body = orjson.dumps({"inputs": inputs, "response_mode": "streaming", "user": user})
    head = f"POST {RUN} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {api_key}\r\nContent-Type: application/json\r\n"
    return f"{head}Content-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode() + body
