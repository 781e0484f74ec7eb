"""Connections to checked addresses, kept for reuse and shared by all runs of a process.

A host is resolved once, every address is judged, and the socket goes to a judged address, so that no second look-up can lead elsewhere.
"""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import h11

from worker.outbound.addresses import Resolver, addresses_of
from worker.outbound.errors import AddressBlocked
from worker.outbound.exchange import Exchange
from worker.outbound.guard import AddressPolicy, IPAddress
from worker.outbound.sockets import connect, is_silent, start_tls, tls_context

#: Seconds for which an unused connection is kept: less than most servers do, so that they rarely close one we are about to use.
KEEP_ALIVE_S = 4.0

#: Unused connections kept at a time, over all hosts.
KEPT_CONNECTIONS = 64

#: Largest head of a response.
HEAD_BYTES = 128 * 1024


@dataclass(frozen=True, slots=True)
class Origin:
    scheme: str
    host: str
    port: int
    #: Connections that were opened without a look at the certificate serve no request that wants one.
    verify_tls: bool = True


@dataclass(slots=True, eq=False)
class Connection:
    origin: Origin
    sock: socket.socket
    http: h11.Connection = field(default_factory=lambda: h11.Connection(h11.CLIENT, max_incomplete_event_size=HEAD_BYTES))
    #: Writing failed on it, so that what the server makes of it is open.
    is_broken: bool = False
    #: Monotonic time of the last use.
    used_at: float = 0.0

    @property
    def is_reusable(self) -> bool:
        """Whether request and response are complete, and nothing came behind them: it would be the answer to somebody else's request."""
        is_done = self.http.our_state is h11.DONE and self.http.their_state is h11.DONE
        return is_done and not self.is_broken and self.http.trailing_data == (b"", False)

    @property
    def is_expired(self) -> bool:
        return time.monotonic() - self.used_at > KEEP_ALIVE_S or not is_silent(self.sock)


class Connections:
    """Opens connections and keeps the unused ones."""

    def __init__(self, policy: AddressPolicy, resolver: Resolver) -> None:
        self._policy = policy
        self._resolver = resolver
        self._lock = threading.Lock()
        #: Longest unused first.
        self._unused: list[Connection] = []
        self._tls: dict[bool, ssl.SSLContext] = {}

    def take(self, origin: Origin, url: str, exchange: Exchange, timeout_s: float) -> Connection:
        """A connection that only the caller uses, until ``give_back``. ``url`` is what error texts name."""
        return self._take_unused(origin) or self._open(origin, url, exchange, timeout_s)

    def give_back(self, connection: Connection) -> None:
        """Keep a connection for the next request to its origin, or close it."""
        if not connection.is_reusable:
            connection.sock.close()
            return
        connection.http.start_next_cycle()
        connection.used_at = time.monotonic()
        with self._lock:
            surplus = self._remove_expired() + self._unused[: 1 - KEPT_CONNECTIONS]
            self._unused = [*self._unused[1 - KEPT_CONNECTIONS :], connection]
        close_all(surplus)

    def close(self) -> None:
        with self._lock:
            unused, self._unused = self._unused, []
        close_all(unused)

    def _take_unused(self, origin: Origin) -> Connection | None:
        with self._lock:
            expired = self._remove_expired()
            found = next((one for one in reversed(self._unused) if one.origin == origin), None)
            if found is not None:
                self._unused.remove(found)
        close_all(expired)
        return found

    def _remove_expired(self) -> list[Connection]:
        expired = [one for one in self._unused if one.is_expired]
        self._unused = [one for one in self._unused if one not in expired]
        return expired

    def _open(self, origin: Origin, url: str, exchange: Exchange, timeout_s: float) -> Connection:
        sock = connect(self._judged_addresses(origin, url, exchange, timeout_s), origin.port, exchange, timeout_s)
        if origin.scheme == "https":
            sock = start_tls(sock, origin.host, self._tls_context(origin.verify_tls), exchange, timeout_s)
        return Connection(origin, sock)

    def _judged_addresses(self, origin: Origin, url: str, exchange: Exchange, timeout_s: float) -> Sequence[IPAddress]:
        addresses = addresses_of(origin.host, origin.port, self._resolver, exchange, timeout_s)
        if not self._policy.permits(origin.host, origin.port, addresses):
            raise AddressBlocked(url)
        return addresses

    def _tls_context(self, verify: bool) -> ssl.SSLContext:
        with self._lock:
            if verify not in self._tls:
                self._tls[verify] = tls_context(verify)
            return self._tls[verify]


def close_all(connections: Sequence[Connection]) -> None:
    for connection in connections:
        connection.sock.close()
