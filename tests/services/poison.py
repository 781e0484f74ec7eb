"""An HTTP server that kills whoever calls it: what a node is that takes its process down, seen from outside."""

from __future__ import annotations

import os
import signal
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType

ESTABLISHED = "01"


class PoisonServer:
    """``killed`` are the ids of the processes that called, in order."""

    def __init__(self) -> None:
        self.killed: list[int] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> PoisonServer:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                caller = caller_of(self.client_address[1])
                outer.killed.append(caller)
                os.kill(caller, signal.SIGKILL)
                self.close_connection = True

            def log_message(self, format: str, *args: object) -> None:
                """Silent: the test counts."""

        return Handler


def caller_of(port: int) -> int:
    """The process of this machine that has an established connection from a local port."""
    inode = _inode_of(port)
    for link in Path("/proc").glob("[0-9]*/fd/*"):
        try:
            if os.readlink(link) == f"socket:[{inode}]":
                return int(link.parts[2])
        except OSError:
            continue
    raise RuntimeError(f"No process has a connection from port {port}.")


def _inode_of(port: int) -> str:
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        if fields[3] == ESTABLISHED and int(fields[1].partition(":")[2], 16) == port:
            return fields[9]
    raise RuntimeError(f"No connection from port {port}.")
