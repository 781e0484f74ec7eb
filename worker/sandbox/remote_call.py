"""One request to a dify-sandbox service, and what can go wrong with it."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from functools import partial
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Any
from urllib.parse import urlsplit

from worker.config import ConfigError
from worker.engine.errors import NodeError
from worker.engine.ports import Cancellation
from worker.sandbox.outcome import CODE_ERROR
from worker.sandbox.protocol import MAX_ANSWER_BYTES

#: Seconds.
CONNECT_S = 5.0

#: Bytes of the largest response: the result as a text within JSON, which takes at most six bytes for one, and some prints.
MAX_RESPONSE_BYTES = 6 * MAX_ANSWER_BYTES + 1024 * 1024

CONNECTIONS = {"http": HTTPConnection, "https": HTTPSConnection}

#: What statuses mean that this protocol uses.
STATUSES = {
    401: "it does not accept the key (PENSTOCK_SANDBOX_API_KEY)",
    503: "it is overloaded or unavailable",
}


class RemoteService:
    """Safe for any number of threads; each request has its own connection, so that a stop can cut it."""

    def __init__(self, url: str, api_key: str, read_timeout_s: float) -> None:
        """Raises ``ConfigError``."""
        try:
            parts = urlsplit(url)
            self._connection_class = CONNECTIONS[parts.scheme]
            self._host, self._port = parts.hostname or "", parts.port
        except (ValueError, KeyError):
            self._host = ""
        if not self._host:
            raise ConfigError(f"PENSTOCK_SANDBOX_URL is {url!r}, but must be an http or https URL.")
        self._origin = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
        self._path = f"{parts.path.rstrip('/')}/v1/sandbox/run"
        self._api_key = api_key
        self._read_timeout_s = read_timeout_s

    def ask(self, request: Mapping[str, Any], cancellation: Cancellation) -> Mapping[str, Any]:
        """Its answer. Raises ``NodeError``; once the run is cancelled, its signal."""
        cancellation.check()
        try:
            with self._connected(cancellation) as connection:
                connection.request("POST", self._path, json.dumps(request).encode(), self._headers())
                with connection.getresponse() as response:
                    status, body = response.status, response.read(MAX_RESPONSE_BYTES + 1)
        except (OSError, HTTPException) as error:
            cancellation.check()
            raise self._error(f"cannot be used: {error or type(error).__name__}") from error
        # A stop may have cut the answer.
        cancellation.check()
        if status != 200:
            raise self._error(f"answered with status {status}: {STATUSES.get(status, 'no answer to code')}.")
        return self._parsed(body)

    @contextmanager
    def _connected(self, cancellation: Cancellation) -> Iterator[HTTPConnection]:
        with closing(self._connection_class(self._host, self._port, timeout=CONNECT_S)) as connection:
            connection.connect()
            connection.sock.settimeout(self._read_timeout_s)
            forget = cancellation.on_cancel(partial(_cut, connection.sock))
            try:
                yield connection
            finally:
                forget()

    def _headers(self) -> dict[str, str]:
        return {"Content-Type": "application/json", "X-Api-Key": self._api_key}

    def _parsed(self, body: bytes) -> Mapping[str, Any]:
        if len(body) > MAX_RESPONSE_BYTES:
            raise self._error(f"answered with more than {MAX_RESPONSE_BYTES} bytes.")
        try:
            answer = json.loads(body)
        except (ValueError, RecursionError) as error:
            raise self._error(f"answered with what is no JSON: {error}") from error
        if not isinstance(answer, dict):
            raise self._error("answered with JSON of another kind.")
        return answer

    def _error(self, text: str) -> NodeError:
        return NodeError(f"The code sandbox at {self._origin} (PENSTOCK_SANDBOX_URL) {text}", error_type=CODE_ERROR)


def _cut(connection: socket.socket) -> None:
    """End the wait for an answer, from another thread."""
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
