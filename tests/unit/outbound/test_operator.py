"""What the operator decides about all requests, whatever the nodes say."""

from collections.abc import Iterator

import pytest

from tests.unit.outbound.web import WebServer
from worker.engine.inbox import Inbox
from worker.engine.ports import OutboundRequest
from worker.outbound.client import GuardedClient


@pytest.fixture
def keyed() -> Iterator[GuardedClient]:
    client = GuardedClient(("127.0.0.1/32",), sends_idempotency_keys=True)
    yield client
    client.close()


def post(client: GuardedClient, web: WebServer, *headers: tuple[str, str], key: str = "run:node") -> str | None:
    """The key that arrives."""
    client.send(OutboundRequest("POST", web.url, headers, idempotency_key=key), Inbox())
    return web.seen[-1].headers.get("idempotency-key")


def test_idempotency_keys_are_sent_where_the_operator_wants_them(client: GuardedClient, keyed: GuardedClient, web: WebServer) -> None:
    assert post(keyed, web) == "run:node"
    assert post(keyed, web, key="") is None
    assert post(client, web) is None


@pytest.mark.parametrize("name", ["Idempotency-Key", "idempotency-key"])
def test_the_authors_own_key_stays(keyed: GuardedClient, web: WebServer, name: str) -> None:
    assert post(keyed, web, (name, "mine")) == "mine"
