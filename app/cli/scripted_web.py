"""The web of a run that needs no network: one scripted server of this process in the place of every other one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

import httpx

from worker.engine.ports import Cancellation, HTTPClient, OutboundRequest, OutboundResponse
from worker.outbound.client import GuardedClient
from worker.outbound.hops import parsed


@contextmanager
def scripted_web(scripts: Sequence[Path] = ()) -> Iterator[HTTPClient]:
    """Everything is answered, private addresses too. The server lives as long as the block lasts. Raises ``ScriptError``."""
    # An event loop and an HTTP server that other runs do not need.
    from app.dev_http.script import read_script
    from app.dev_http.service import Web
    from app.dev_model.server import BackgroundServer

    rules = [rule for path in scripts for rule in read_script(path)]
    with BackgroundServer(Web(rules)) as server:
        address = httpx.URL(server.url)
        with closing(GuardedClient((address.host,))) as client:
            yield DivertedClient(client, address)


class DivertedClient:
    """Sends every request to one server, with the path and the ``Host`` that it was meant for."""

    def __init__(self, client: HTTPClient, server: httpx.URL) -> None:
        self._client = client
        self._server = server

    def send(self, request: OutboundRequest, cancellation: Cancellation) -> OutboundResponse:
        """Raises what ``GuardedClient`` raises, for addresses that cannot be understood too."""
        meant = parsed(request.url)
        url = meant.copy_with(scheme=self._server.scheme, host=self._server.host, port=self._server.port)
        host = () if any(name.lower() == "host" for name, _ in request.headers) else (("Host", meant.netloc.decode("ascii")),)
        diverted = replace(request, url=str(url), headers=(*host, *request.headers))
        return replace(self._client.send(diverted, cancellation), url=request.url)
