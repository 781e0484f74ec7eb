"""The connections under the vendors' SDKs: those of ``worker/outbound``, so that a stop ends any wait and a look-up can time out.

No address is refused here. Base URLs of providers come from the operator, not from a workflow: a model server on the same machine or
in the private network is as good as a vendor. Redirects are not followed, and no proxy of the environment is used.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import httpcore2
import httpx2

from worker.llm.calls import CURRENT, Call
from worker.outbound.addresses import addresses_of, system_resolver
from worker.outbound.errors import ConnectionFailed, TimedOut
from worker.outbound.sockets import connect, is_silent, socket_failures, start_tls, tls_context

#: Unused connections kept to one provider, and for how many seconds.
KEPT_CONNECTIONS = 100
KEEP_ALIVE_S = 30.0

#: Read at a time, at most: Python takes the room before it waits, and a token has some hundred bytes.
READ_BYTES = 4096


def open_http() -> httpx2.Client:
    """A client for one provider, for any number of calls at a time."""
    # No time-out of its own: the call's are exact, and each read asks for them.
    return httpx2.Client(transport=StoppableTransport(), timeout=None, follow_redirects=False, trust_env=False)


class StoppableTransport(httpx2.HTTPTransport):
    def __init__(self) -> None:
        # Not the constructor above, which opens a pool of its own kind of connections.
        self._pool = httpcore2.ConnectionPool(
            ssl_context=tls_context(verify=True),
            max_connections=None,
            max_keepalive_connections=KEPT_CONNECTIONS,
            keepalive_expiry=KEEP_ALIVE_S,
            network_backend=Backend(),
        )


class Backend(httpcore2.NetworkBackend):
    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore2.NetworkStream:
        call = CURRENT.get()
        with translated(httpcore2.ConnectTimeout, httpcore2.ConnectError):
            addresses = addresses_of(host, port, system_resolver, call.exchange, call.timeouts.connect_s)
            return Stream(connect(addresses, port, call.exchange, call.timeouts.connect_s))


class Stream(httpcore2.NetworkStream):
    """A socket whose waits belong to whichever call uses it at the time."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        call = CURRENT.get()
        with translated(httpcore2.ReadTimeout, httpcore2.ReadError), self._using(call):
            return self._sock.recv(min(max_bytes, READ_BYTES))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        call, rest = CURRENT.get(), memoryview(buffer)
        with translated(httpcore2.WriteTimeout, httpcore2.WriteError):
            while rest:
                with self._using(call):
                    rest = rest[self._sock.send(rest) :]

    @contextmanager
    def _using(self, call: Call) -> Iterator[None]:
        with socket_failures(), call.exchange.using(self._sock, call.patience_s()):
            yield

    def close(self) -> None:
        self._sock.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore2.NetworkStream:
        call = CURRENT.get()
        with translated(httpcore2.ConnectTimeout, httpcore2.ConnectError):
            return Stream(start_tls(self._sock, server_hostname or "", ssl_context, call.exchange, call.timeouts.connect_s))

    def get_extra_info(self, info: str) -> Any:
        if info == "is_readable":
            return not is_silent(self._sock)
        if info == "ssl_object" and isinstance(self._sock, ssl.SSLSocket):
            return self._sock
        return self._sock if info == "socket" else None


@contextmanager
def translated(timeout: type[Exception], failure: type[Exception]) -> Iterator[None]:
    """The outbound errors as those that the library above knows."""
    try:
        yield
    except TimedOut as error:
        raise timeout(error.message) from error
    except ConnectionFailed as error:
        raise failure(error.message) from error
