"""One conversation with an MCP server over streamable HTTP, by the official SDK, through the outbound guard.

The SDK speaks asyncio and wants an HTTP client of its own; here each conversation is an event loop in the calling thread, and the HTTP
client sends by the port that everything else goes out by. Loading the SDK takes more than a second and 50 MB: this module is imported
when the first server is called.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any, TypeVar

import anyio
import anyio.to_thread
import httpx2
from mcp import MCPError
from mcp.client import Client
from mcp.client.streamable_http import streamable_http_client

from worker.engine.errors import NodeError
from worker.engine.ports import Cancellation, HTTPClient, OutboundRequest

#: Bytes of an answer, and seconds for one.
MAX_BYTES = 10 * 1024 * 1024
TIMEOUT_S = 300.0

#: The port makes these itself, or has undone them.
OWN_HEADERS = frozenset({"host", "content-length", "connection", "accept-encoding", "content-encoding", "transfer-encoding"})

T = TypeVar("T")

# The SDK logs what it cannot use of a server's answers, whole and with tracebacks; whoever asked gets it as a ``NodeError``.
logging.getLogger("mcp").setLevel(logging.CRITICAL)

#: An event loop belongs to a thread; where gevent makes threads out of one, conversations take turns.
TURN = threading.Lock()


class GuardedTransport(httpx2.AsyncBaseTransport):
    """Sends what the SDK wants sent, and keeps why it could not be."""

    def __init__(self, http: HTTPClient, secret_headers: frozenset[str], cancellation: Cancellation) -> None:
        self._http = http
        self._secret_headers = secret_headers
        self._cancellation = cancellation
        self.failure: NodeError | None = None

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        if request.method == "GET":
            # A stream for what the server has to say on its own, which nobody would hear.
            return httpx2.Response(405, request=request)
        outbound = OutboundRequest(
            request.method,
            str(request.url),
            tuple((name, value) for name, value in request.headers.items() if name.lower() not in OWN_HEADERS),
            await request.aread(),
            read_timeout_s=TIMEOUT_S,
            follow_redirects=False,
            secret_headers=self._secret_headers,
            max_bytes=MAX_BYTES,
        )
        try:
            response = await anyio.to_thread.run_sync(lambda: self._http.send(outbound, self._cancellation))
        except NodeError as error:
            self.failure = error
            raise httpx2.ConnectError(error.message) from error
        headers = [(name, value) for name, value in response.headers.items() if name not in OWN_HEADERS]
        return httpx2.Response(response.status, headers=headers, content=response.body, request=request)


def converse(url: str, headers: dict[str, str], http: HTTPClient, cancellation: Cancellation, work: Callable[[Client], Awaitable[T]]) -> T:
    """What ``work`` answers, given a session. Raises ``NodeError``, and the signal when the run is cancelled."""
    transport = GuardedTransport(http, frozenset(name.lower() for name in headers), cancellation)
    try:
        with turn():
            return anyio.run(_session, url, headers, transport, work)
    except BaseExceptionGroup as group:
        cancellation.check()
        raise transport.failure or NodeError(f"The MCP server cannot be used: {first_of(group)}") from group
    except (MCPError, httpx2.HTTPError, TimeoutError, ValueError) as error:
        cancellation.check()
        raise transport.failure or NodeError(f"The MCP server cannot be used: {error}") from error


async def _session(url: str, headers: dict[str, str], transport: GuardedTransport, work: Callable[[Client], Awaitable[Any]]) -> Any:
    async with (
        httpx2.AsyncClient(transport=transport, headers=headers) as http_client,
        Client(streamable_http_client(url, http_client=http_client), read_timeout_seconds=TIMEOUT_S) as client,
    ):
        return await work(client)


def turn() -> AbstractContextManager[Any]:
    is_green = type(threading.current_thread()).__module__.startswith("gevent") or type(TURN).__module__.startswith("gevent")
    return TURN if is_green else nullcontext()


def first_of(group: BaseExceptionGroup[Any]) -> BaseException:
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
