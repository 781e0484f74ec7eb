"""The connection to a caller, with the ways in which a vendor can fail to answer."""

from __future__ import annotations

import socket

import gevent
from gevent.socket import wait_read

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"


class HungUp(Exception):
    """The caller has gone."""


class Broken(Exception):
    """The connection was closed as a directive wanted it."""


class _Elapsed(Exception):
    """The time to wait is over."""


class Line:
    """``connection`` is a gevent socket whose request has been read."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection

    def wait(self, seconds: float | None) -> None:
        """Raises ``HungUp`` as soon as the caller closes the connection. None: wait for nothing else."""
        if seconds == 0:
            # Others must have their turn while one answer is sent without delays.
            gevent.sleep(0)
            return
        try:
            wait_read(self._connection.fileno(), timeout=seconds, timeout_exc=_Elapsed())
        except _Elapsed:
            return
        if not self._has_more():
            raise HungUp

    def _has_more(self) -> bool:
        try:
            return bool(self._connection.recv(1, socket.MSG_PEEK))
        except OSError:
            return False

    def drop(self) -> None:
        """Close the connection in the middle of an answer. Raises ``Broken``."""
        try:
            self._connection.shutdown(socket.SHUT_RDWR)
        except OSError as error:
            raise HungUp from error
        raise Broken

    def drop_after_headers(self) -> None:
        """Raises ``Broken``."""
        self._connection.sendall(HEAD)
        self.drop()
