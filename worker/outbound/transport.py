"""HTTP/1.1 through the guard: one call of ``send`` from the request to the response behind its redirects."""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterable, Iterator, Mapping

import h11

from worker.engine.ports import Cancellation, OutboundRequest, OutboundResponse
from worker.outbound.addresses import Resolver
from worker.outbound.connections import Connections
from worker.outbound.decoding import decoded
from worker.outbound.errors import InvalidResponse, OutboundError, ResponseTooLarge, TooManyRedirects
from worker.outbound.exchange import Exchange
from worker.outbound.guard import AddressPolicy
from worker.outbound.hops import REDIRECTS, Hop
from worker.outbound.messages import Messages

#: reliability.md section 3.3.
MAX_REDIRECTS = 5

MAX_HEADERS = 200

#: How much is read of a body whose declared length is too large: enough to tell text from data.
GLIMPSE_BYTES = 1024


class Transport:
    """Safe for any number of threads or greenlets."""

    def __init__(self, policy: AddressPolicy, resolver: Resolver, total_s: float) -> None:
        self._connections = Connections(policy, resolver)
        self._total_s = total_s

    def send(self, request: OutboundRequest, cancellation: Cancellation) -> OutboundResponse:
        exchange = Exchange(cancellation, self._total_s)
        forget = cancellation.on_cancel(exchange.interrupt)
        try:
            return self._follow(request, exchange)
        except OutboundError:
            # A stop makes waits fail in all kinds of ways; the stop is the reason then.
            cancellation.check()
            raise
        finally:
            forget()

    def close(self) -> None:
        self._connections.close()

    def _follow(self, request: OutboundRequest, exchange: Exchange) -> OutboundResponse:
        hop = Hop.first(request)
        for _ in range(MAX_REDIRECTS + 1):
            response = self._call(hop, request, exchange)
            location = response.headers.get("location")
            if not request.follow_redirects or response.status not in REDIRECTS or location is None:
                return response
            hop = hop.redirected(response.status, location, request.secret_headers)
        raise TooManyRedirects

    def _call(self, hop: Hop, request: OutboundRequest, exchange: Exchange) -> OutboundResponse:
        connection = self._connections.take(hop.origin, str(hop.url), exchange, request.connect_timeout_s)
        try:
            messages = Messages(connection, exchange, request.read_timeout_s, request.write_timeout_s)
            return read_response(messages.ask(hop), messages.body(), str(hop.url), request.max_bytes)
        finally:
            self._connections.give_back(connection)


def read_response(head: h11.Response, body: Iterator[bytes], url: str, limit: int | None) -> OutboundResponse:
    """The response with its decoded body. Raises ``ResponseTooLarge``, at once when the declared length is over the limit."""
    headers = joined_headers(head.headers)
    coding = headers.get("content-encoding", "")
    declared = None if coding else declared_length(headers)
    allowed = sys.maxsize if limit is None else limit if (declared or 0) <= limit else min(limit, GLIMPSE_BYTES)
    content = bytearray()
    for piece in decoded(at_most(body, allowed) if coding else body, coding):
        content += piece
        if len(content) > allowed:
            raise ResponseTooLarge(limit or 0, OutboundResponse(head.status_code, headers, bytes(content), url), declared)
    return OutboundResponse(head.status_code, headers, bytes(content), url)


def at_most(pieces: Iterable[bytes], limit: int) -> Iterator[bytes]:
    """Encoded data can be endless and yet decode to nothing."""
    seen = 0
    for piece in pieces:
        seen += len(piece)
        if seen > limit:
            raise InvalidResponse(f"The encoded response is larger than {limit} bytes.")
        yield piece


def joined_headers(raw: Collection[tuple[bytes, bytes]]) -> dict[str, str]:
    """Raises ``InvalidResponse`` for too many."""
    headers: dict[str, str] = {}
    if len(raw) > MAX_HEADERS:
        raise InvalidResponse(f"The response has more than {MAX_HEADERS} headers.")
    for raw_name, raw_value in raw:
        name, value = raw_name.decode("ascii").lower(), header_text(raw_value)
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return headers


def header_text(raw: bytes) -> str:
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def declared_length(headers: Mapping[str, str]) -> int | None:
    text = headers.get("content-length", "")
    return int(text) if text.isdecimal() else None
