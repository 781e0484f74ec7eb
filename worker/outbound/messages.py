"""One request and its response over a connection, as HTTP/1.1."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import h11

from worker.outbound.connections import Connection
from worker.outbound.errors import ConnectionFailed, InvalidRequest, InvalidResponse
from worker.outbound.exchange import Exchange
from worker.outbound.hops import Hop
from worker.outbound.sockets import socket_failures

READ_BYTES = 64 * 1024

#: Interim responses (1xx) before the one that counts; browsers and servers send one or two.
MAX_INTERIM = 20


@dataclass(slots=True)
class Messages:
    connection: Connection
    exchange: Exchange
    read_timeout_s: float
    write_timeout_s: float

    def ask(self, hop: Hop) -> h11.Response:
        """Send a request and read the head of its response."""
        try:
            self._write(self._encoded(hop))
        except ConnectionFailed:
            # A server may answer and close before it has read everything; if it did not answer, reading fails too.
            self.connection.is_broken = True
        for _ in range(MAX_INTERIM):
            event = self._next_event()
            if isinstance(event, h11.Response):
                return event
        raise InvalidResponse("The server sends interim responses without end.")

    def body(self) -> Iterator[bytes]:
        """The body as it arrives, still encoded."""
        while isinstance(event := self._next_event(), h11.Data):
            yield bytes(event.data)

    def _encoded(self, hop: Hop) -> bytes:
        http = self.connection.http
        try:
            head = h11.Request(method=hop.method, target=hop.url.raw_path, headers=hop.wire_headers())
            events = [head, *([h11.Data(data=hop.body)] if hop.body else []), h11.EndOfMessage()]
            return b"".join(http.send(event) or b"" for event in events)
        except h11.LocalProtocolError as error:
            raise InvalidRequest(str(error)) from error

    def _write(self, data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            with socket_failures(), self.exchange.using(self.connection.sock, self.write_timeout_s):
                rest = rest[self.connection.sock.send(rest) :]

    def _next_event(self) -> h11.Event | type[h11.PAUSED]:
        http = self.connection.http
        try:
            while True:
                event = http.next_event()
                # Spelled as types want it: what is left are events.
                if isinstance(event, h11.Event) or event is h11.PAUSED:
                    return event
                http.receive_data(self._read())
        except h11.RemoteProtocolError as error:
            raise InvalidResponse(str(error)) from error

    def _read(self) -> bytes:
        with socket_failures(), self.exchange.using(self.connection.sock, self.read_timeout_s):
            data = self.connection.sock.recv(READ_BYTES)
        if not data and self.connection.http.their_state is h11.SEND_RESPONSE:
            raise InvalidResponse("Server disconnected without sending a response.")
        return data
