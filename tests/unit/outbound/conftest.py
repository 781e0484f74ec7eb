from collections.abc import Iterator

import pytest

from tests.unit.outbound.web import WebServer
from worker.outbound.client import GuardedClient


@pytest.fixture
def web() -> Iterator[WebServer]:
    with WebServer() as server:
        server.routes["/"] = lambda seen, answer: answer.send(b"hello", content_type="text/plain")
        yield server


@pytest.fixture
def client() -> Iterator[GuardedClient]:
    """May call 127.0.0.1, and nothing else that is private."""
    client = GuardedClient(("127.0.0.1/32",))
    yield client
    client.close()
