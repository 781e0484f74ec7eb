"""A web server on the loopback interface that answers byte by byte what a test says, honest or hostile."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from tests.services.waiting import wait_for


@dataclass(frozen=True)
class Seen:
    """A request as it arrived."""

    method: str
    target: str
    #: Lower-case names.
    headers: dict[str, str]
    #: In the order of arrival, as they were written.
    header_lines: tuple[str, ...]
    body: bytes
    #: Number of the connection, from 1.
    connection: int


class Answer:
    """What a route writes with; sending to a client that has left is no error."""

    def __init__(self, sock: socket.socket, closing: threading.Event) -> None:
        self._sock = sock
        self._closing = closing
        self.is_open = True

    def raw(self, data: bytes) -> None:
        try:
            self._sock.sendall(data)
        except OSError:
            self.is_open = False

    def send(self, body: bytes = b"", status: int = 200, **headers: str) -> None:
        """A whole response; ``content_type="text/plain"`` and the like become headers."""
        lines = [f"HTTP/1.1 {status} X", *(f"{name.replace('_', '-')}: {value}" for name, value in headers.items())]
        self.raw("\r\n".join([*lines, f"Content-Length: {len(body)}", "", ""]).encode("utf-8") + body)

    def hold(self) -> None:
        """Wait until the test is over."""
        self._closing.wait(60)

    def repeat(self, data: bytes) -> None:
        """Send for ever, as long as somebody listens."""
        while self.is_open and not self._closing.is_set():
            self.raw(data)


Route = Callable[[Seen, Answer], None]


class WebServer:
    def __init__(self, context: ssl.SSLContext | None = None) -> None:
        self.routes: dict[str, Route] = {}
        #: For every other path.
        self.fallback: Route = not_found
        self.seen: list[Seen] = []
        self.connections = 0
        self._context = context
        self._closing = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._open: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept)]

    @property
    def port(self) -> int:
        return int(self._listener.getsockname()[1])

    @property
    def url(self) -> str:
        return f"{'https' if self._context else 'http'}://127.0.0.1:{self.port}"

    def wait_until_called(self, times: int = 1) -> None:
        wait_for(lambda: len(self.seen) >= times, f"{times} requests", 10)

    def __enter__(self) -> Self:
        self._threads[0].start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._closing.set()
        for sock in [self._listener, *self._open]:
            with suppress(OSError):
                socket.socket.shutdown(sock, socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(10)
        for sock in [self._listener, *self._open]:
            sock.close()

    def _accept(self) -> None:
        while not self._closing.is_set():
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            self._open.append(sock)
            thread = threading.Thread(target=self._serve, args=(sock, self.connections))
            self._threads.append(thread)
            thread.start()

    def _serve(self, sock: socket.socket, number: int) -> None:
        with suppress(OSError):
            if self._context is not None:
                sock = self._context.wrap_socket(sock, server_side=True)
                self._open.append(sock)
            with sock.makefile("rb") as reader:
                while (seen := read_request(reader, number)) is not None:
                    self.seen.append(seen)
                    answer = Answer(sock, self._closing)
                    self.routes.get(seen.target.partition("?")[0], self.fallback)(seen, answer)
        with suppress(OSError):
            socket.socket.shutdown(sock, socket.SHUT_RDWR)


def read_request(reader, connection: int) -> Seen | None:
    first = reader.readline().decode("latin-1").split()
    if not first:
        return None
    lines = []
    while line := reader.readline().decode("latin-1").rstrip("\r\n"):
        lines.append(line)
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    body = reader.read(int(headers.get("content-length", 0)))
    return Seen(first[0], first[1], headers, tuple(lines), body, connection)


def not_found(seen: Seen, answer: Answer) -> None:
    answer.send(b"no such route", 404, content_type="text/plain")


def redirect(location: str, status: int = 302) -> Route:
    return lambda seen, answer: answer.send(b"", status, location=location)
