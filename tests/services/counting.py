"""An HTTP server that counts the calls of each path, for workflows whose nodes must be seen from outside.

`GET /count/NAME` counts and answers at once; `GET /hold/NAME` counts, then answers when the test says so.
"""

from __future__ import annotations

import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType

from tests.services.waiting import wait_for


class PatientServer(ThreadingHTTPServer):
    #: Hundreds of runs may call in the same moment.
    request_queue_size = 1024


class CountingServer:
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._calls: Counter[str] = Counter()
        self._gates: dict[str, threading.Event] = {}
        self._closing = threading.Event()
        self._server = PatientServer(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def calls(self) -> dict[str, int]:
        """How often each name was called so far."""
        with self._lock:
            return dict(self._calls)

    def wait_until_called(self, name: str, times: int = 1, timeout_s: float = 60.0) -> None:
        wait_for(lambda: self.calls().get(name, 0) >= times, f"{times} calls of {name}", timeout_s)

    def release(self, name: str) -> None:
        """Answer every call of `/hold/NAME`, those that wait and those to come."""
        self._gate(name).set()

    def __enter__(self) -> CountingServer:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._closing.set()
        with self._lock:
            gates = list(self._gates.values())
        for gate in gates:
            gate.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _gate(self, name: str) -> threading.Event:
        with self._lock:
            return self._gates.setdefault(name, threading.Event())

    def _count(self, name: str) -> None:
        with self._lock:
            self._calls[name] += 1

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                action, _, name = self.path.strip("/").partition("/")
                outer._count(name)
                if action == "hold" and not outer._closing.is_set():
                    outer._gate(name).wait(timeout=120)
                self._answer(name.encode())

            def _answer(self, body: bytes) -> None:
                try:
                    self.send_response(200)
                    self.send_header("Content-Type", "text/plain")
                    self.send_header("Content-Length", str(len(body)))
                    self.end_headers()
                    self.wfile.write(body)
                except ConnectionError:
                    # The caller was stopped or killed while it waited: that is what such tests are about.
                    self.close_connection = True

            def log_message(self, format: str, *arguments: object) -> None:
                """Quiet."""

        return Handler
