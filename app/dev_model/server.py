"""Serves what is scripted, models above all: hundreds of slow streams at a time, on one thread."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Any

import gevent
from gevent.event import Event
from gevent.pool import Pool
from gevent.pywsgi import WSGIHandler, WSGIServer

from app.dev_model.directives import Directives
from app.dev_model.incoming import CONNECTION
from app.dev_model.service import Service

BACKLOG = 1024

#: Finds the connection of a request under ``CONNECTION`` of its environment.
Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


class Handler(WSGIHandler):
    def get_environ(self) -> dict[str, Any]:
        """With the connection itself, for faults; its packets are not held back to be joined: a token is sent when it is made."""
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        environ: dict[str, Any] = super().get_environ()
        return {**environ, CONNECTION: self.socket}


def serve(host: str, port: int, application: Application, stop: Event, ready: Callable[[str], None]) -> None:
    """Answer until ``stop`` is set, an event of this thread; then connections are cut. ``ready`` is told the address.

    Raises ``OSError`` if the port cannot be had.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.create_server((host, port), family=family, backlog=BACKLOG)
    listener.setblocking(False)
    # A pool without a limit: when the server stops, it ends what still runs in it.
    server = WSGIServer(listener, application, spawn=Pool(), handler_class=Handler, log=None)
    server.start()
    try:
        ready(f"http://{f'[{host}]' if ':' in host else host}:{server.server_port}")
        stop.wait()
    finally:
        server.stop(timeout=0)


class BackgroundServer:
    """The server on a thread of this process, for as long as the block lasts; by default of scripted models."""

    def __init__(self, application: Application | None = None) -> None:
        self._application = application or Service(Directives())
        self._thread = threading.Thread(target=self._serve, name="penstock-scripted", daemon=True)
        self._has_begun = threading.Event()
        self._url: str | None = None
        self._end: Callable[[], None] = lambda: None

    @property
    def url(self) -> str:
        """Without a path. Raises ``RuntimeError`` if the server could not start."""
        if self._url is None:
            raise RuntimeError("The scripted server could not start.")
        return self._url

    def _serve(self) -> None:
        hub, stop = gevent.get_hub(), Event()
        self._end = lambda: hub.loop.run_callback_threadsafe(stop.set)
        try:
            serve("127.0.0.1", 0, self._application, stop, self._begin)
        finally:
            self._has_begun.set()
            hub.destroy(destroy_loop=True)

    def _begin(self, url: str) -> None:
        self._url = url
        self._has_begun.set()

    def __enter__(self) -> BackgroundServer:
        self._thread.start()
        self._has_begun.wait()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._end()
        self._thread.join()
