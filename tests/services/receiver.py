"""A receiver of webhooks and other requests that keeps what it gets and answers as the test wants.

`POST /answer/500/500/200` answers 500 twice, then 200; `POST /hang/NAME` answers when the test says so; anything else is answered 200.
"""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from types import TracebackType
from typing import Any

from tests.services.counting import PatientServer
from tests.services.waiting import wait_for


@dataclass(frozen=True, slots=True)
class Received:
    path: str
    #: Lower-case names.
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]


@dataclass(frozen=True, slots=True)
class Answer:
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


class Receiver:
    def __init__(self, handle: Callable[[Received], Answer] | None = None) -> None:
        self._lock = threading.Lock()
        self._received: list[Received] = []
        self._calls: Counter[str] = Counter()
        self._gate = threading.Event()
        self._handle = handle or self._by_path
        self._server = PatientServer(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def received(self, path: str = "") -> list[Received]:
        """What came so far, to a path or to all, in order."""
        with self._lock:
            return [one for one in self._received if not path or one.path == path]

    def wait_for(self, times: int = 1, path: str = "", timeout_s: float = 30.0) -> list[Received]:
        wait_for(lambda: len(self.received(path)) >= times, f"{times} messages to {path or 'the receiver'}", timeout_s)
        return self.received(path)

    def release(self) -> None:
        """Answer what hangs, now and from now on."""
        self._gate.set()

    def __enter__(self) -> Receiver:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.release()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _by_path(self, received: Received) -> Answer:
        action, *words = received.path.strip("/").split("/")
        if action == "hang":
            self._gate.wait(timeout=120)
        if action != "answer":
            return Answer()
        with self._lock:
            call = self._calls[received.path]
            self._calls[received.path] += 1
        return Answer(int(words[min(call, len(words) - 1)]))

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                received = Received(self.path, {name.lower(): value for name, value in self.headers.items()}, body)
                with outer._lock:
                    outer._received.append(received)
                self._answer(outer._handle(received))

            do_GET = do_HEAD = do_POST

            def _answer(self, answer: Answer) -> None:
                try:
                    self.send_response(answer.status)
                    for name, value in {"Content-Length": str(len(answer.body)), **answer.headers}.items():
                        self.send_header(name, value)
                    self.end_headers()
                    self.wfile.write(b"" if self.command == "HEAD" else answer.body)
                except ConnectionError:
                    # The sender gave up, or was killed: that is what such tests are about.
                    self.close_connection = True

            def log_message(self, format: str, *arguments: object) -> None:
                """Quiet."""

        return Handler
