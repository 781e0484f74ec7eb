from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack

import httpx
import pytest

from app.dev_http.script import Rule
from app.dev_http.service import Web
from app.dev_model.server import BackgroundServer

Ask = Callable[..., httpx.Response]


@pytest.fixture(scope="package")
def plain_web() -> Iterator[httpx.Client]:
    """The scripted web without rules."""
    with BackgroundServer(Web()) as server, httpx.Client(base_url=server.url, timeout=10) as client:
        yield client


@pytest.fixture
def ask(plain_web: httpx.Client) -> Ask:
    """Sends a request that was meant for another server."""
    return lambda url, method="GET", **more: sent(plain_web, url, method, **more)


@pytest.fixture
def web_of() -> Iterator[Callable[[Sequence[Rule]], Ask]]:
    """Makes a web with rules."""
    with ExitStack() as stack:

        def make(rules: Sequence[Rule]) -> Ask:
            server = stack.enter_context(BackgroundServer(Web(rules)))
            client = stack.enter_context(httpx.Client(base_url=server.url, timeout=10))
            return lambda url, method="GET", **more: sent(client, url, method, **more)

        yield make


def sent(client: httpx.Client, url: str, method: str, **more: object) -> httpx.Response:
    meant = httpx.URL(url)
    headers = {"Host": meant.netloc.decode(), "Accept": "*/*", **more.pop("headers", {})}
    return client.request(method, meant.raw_path.decode(), headers=headers, **more)
