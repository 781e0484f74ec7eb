"""An HTTP server that counts the calls of each path, for workflows whose nodes must be seen from outside.

`GET /count/NAME` counts and answers at once; `GET /hold/NAME` counts, then answers when the test says so; `GET /after/MS/NAME` counts,
then answers when so many milliseconds are over; `GET /drop/NAME` counts, and hangs up without a word until the test says otherwise.
POST does the same as GET. The answer is the name.
"""

from __future__ import annotations

import sys
import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any

from tests.services.waiting import wait_for


class PatientServer(ThreadingHTTPServer):
    #: Hundreds of runs may call in the same moment.
    request_queue_size = 1024

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A caller that was killed in the middle of its request is what such tests are about."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class CountingServer:
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._calls: Counter[str] = Counter()
        self._keys: dict[str, set[str]] = {}
        self._gates: dict[str, threading.Event] = {}
        self._is_open = threading.Event()
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

    def keys(self) -> dict[str, set[str]]:
        """The values of `Idempotency-Key` under which each name was called; names that came without one are left out."""
        with self._lock:
            return {name: set(keys) for name, keys in self._keys.items()}

    def wait_until_called(self, name: str, times: int = 1, timeout_s: float = 60.0) -> None:
        wait_for(lambda: self.calls().get(name, 0) >= times, f"{times} calls of {name}", timeout_s)

    def release(self, name: str) -> None:
        """Answer every call of `/hold/NAME`, those that wait and those to come, and of `/drop/NAME` from now on."""
        self._gate(name).set()

    def release_all(self) -> None:
        """Answer every call, those that wait and those to come, until the next ``reset``."""
        self._is_open.set()
        with self._lock:
            gates = list(self._gates.values())
        for gate in gates:
            gate.set()

    def reset(self) -> None:
        """Forget all calls; what comes from now on waits again."""
        with self._lock:
            self._gates = {}
            self._calls.clear()
            self._keys.clear()
        self._is_open.clear()

    def __enter__(self) -> CountingServer:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._closing.set()
        self.release_all()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _gate(self, name: str) -> threading.Event:
        with self._lock:
            return self._gates.setdefault(name, threading.Event())

    def _count(self, name: str, key: str | None) -> None:
        with self._lock:
            self._calls[name] += 1
            if key is not None:
                self._keys.setdefault(name, set()).add(key)

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                action, _, name = self.path.strip("/").partition("/")
                delay_ms = "0"
                if action == "after":
                    delay_ms, _, name = name.partition("/")
                outer._count(name, self.headers.get("Idempotency-Key"))
                if action == "hold" and not outer._is_open.is_set():
                    outer._gate(name).wait(timeout=120)
                outer._closing.wait(int(delay_ms) / 1000)
                if action == "drop" and not (outer._is_open.is_set() or outer._gate(name).is_set()):
                    self.close_connection = True
                else:
                    self._answer(name.encode())

            def do_POST(self) -> None:
                self.rfile.read(int(self.headers.get("Content-Length", "0")))
                self.do_GET()

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
