"""An HTTP server that kills whoever calls it: what a node is that takes its process down, seen from outside."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType

from tests.services.waiting import wait_for

ESTABLISHED = "01"


class PoisonServer:
    """``killed`` are the ids of the processes that called, in order; leaving the context raises if a caller was not found."""

    def __init__(self) -> None:
        self.killed: list[int] = []
        self._missed: list[Exception] = []
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
        if self._missed:
            raise ExceptionGroup("The poison server spared callers", self._missed)

    def _kill(self, client_port: int) -> None:
        try:
            caller = caller_of(client_port, self._server.server_address[1])
        except (OSError, TimeoutError) as error:
            self._missed.append(error)
            return
        self.killed.append(caller)
        os.kill(caller, signal.SIGKILL)

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer._kill(self.client_address[1])
                self.close_connection = True

            def log_message(self, format: str, *args: object) -> None:
                """Silent: the test counts."""

        return Handler


def caller_of(port: int, server_port: int) -> int:
    """The process of this machine that has an established connection from one local port to another.

    Both ports count: a port alone may carry connections to several servers. Asked again for 5 s, as /proc is read while it changes.
    """
    return wait_for(lambda: _owner_of(_inode_of(port, server_port)), f"the owner of the connection from port {port}", 5)


def _inode_of(port: int, server_port: int) -> str:
    """Empty if there is no such connection."""
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        ports = [int(address.partition(":")[2], 16) for address in fields[1:3]]
        if fields[3] == ESTABLISHED and ports == [port, server_port]:
            return fields[9]
    return ""


def _owner_of(inode: str) -> int:
    """0 if no process has the socket open."""
    return next((process for process in _processes() if inode and f"socket:[{inode}]" in set(_open_files(process))), 0)


def _processes() -> Iterator[int]:
    return (int(name) for name in os.listdir("/proc") if name.isdecimal())


def _open_files(process: int) -> Iterator[str]:
    try:
        for name in os.listdir(f"/proc/{process}/fd"):
            yield os.readlink(f"/proc/{process}/fd/{name}")
    except OSError:
        return  # It ended, or closed the file, while it was looked at: wait_for looks again.
