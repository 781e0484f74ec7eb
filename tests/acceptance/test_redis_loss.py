"""Redis is a wire: while it is away, frozen or empty, runs wait; readers get every event once in the end."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import httpx
import pytest

from tests.acceptance.streams import check_whole, read_stream
from tests.services import documents
from tests.services.client import Client
from tests.services.counting import CountingServer
from tests.services.penstock import Deployment, ImportedApp, Web
from tests.services.sse import Message
from tests.services.valkey import Valkey
from tests.services.waiting import wait_for

SETTINGS = {
    "PENSTOCK_SWEEP": "0.4",
    "PENSTOCK_RESEND": "2",
    "PENSTOCK_WORKER_CONCURRENCY": "1",
    "PENSTOCK_OUTBOUND_ALLOW": "127.0.0.1",
}

NODES = ["start", "hold", "first", "second", "end"]


@pytest.fixture
def valkey() -> Iterator[Valkey]:
    with Valkey() as valkey:
        yield valkey


@pytest.fixture
def deployment(postgres_url: str, valkey: Valkey, tmp_path) -> Iterator[Deployment]:
    """One API instance and one worker that executes one run at a time."""
    with Deployment(tmp_path, postgres_url, valkey.url, **SETTINGS) as deployment:
        deployment.add_worker()
        yield deployment


@pytest.fixture
def web(deployment: Deployment) -> Web:
    return deployment.add_web()


@pytest.fixture
def app(deployment: Deployment, counting: CountingServer) -> ImportedApp:
    """Runs that wait in their middle for the name that is their input."""
    query = documents.start(documents.variable("query"))
    hold = documents.http_get("hold", f"{counting.url}/hold/{{{{#start.query#}}}}")
    after = [documents.http_get(name, f"{counting.url}/count/{name}-{{{{#start.query#}}}}") for name in ("first", "second")]
    return deployment.import_document(documents.chain("loss", [query, hold, *after, documents.end(last=["second", "body"])]))


@pytest.fixture
def pool(counting: CountingServer) -> Iterator[ThreadPoolExecutor]:
    """Threads of readers; a test that fails must not wait for runs that wait for it."""
    with ThreadPoolExecutor(4) as pool:
        try:
            yield pool
        finally:
            for name in ("a", "b", "c"):
                counting.release(name)


def check(name: str, stream: Future[list[Message]], web: Web, app: ImportedApp) -> None:
    check_whole(stream.result(timeout=60), NODES, {"last": f"second-{name}"}, web.url, app)


def test_a_redis_that_comes_back_empty_costs_nobody_an_event(valkey, web, app, counting, pool):
    stream = pool.submit(read_stream, web.url, app, "a")
    counting.wait_until_called("a")

    valkey.kill()
    valkey.start()
    counting.release("a")

    check("a", stream, web, app)
    assert counting.calls() == {"a": 1, "first-a": 1, "second-a": 1}


def test_a_run_ends_while_redis_is_away_and_its_reader_learns_of_it(valkey, web, app, counting, pool):
    stream = pool.submit(read_stream, web.url, app, "a")
    counting.wait_until_called("a")

    valkey.kill()
    counting.release("a")
    counting.wait_until_called("second-a")

    check("a", stream, web, app)
    valkey.start()


def test_a_frozen_redis_only_delays(valkey, web, app, counting, pool):
    stream = pool.submit(read_stream, web.url, app, "a")
    counting.wait_until_called("a")

    valkey.pause()
    counting.release("a")
    counting.wait_until_called("second-a", timeout_s=90)
    valkey.resume()

    check("a", stream, web, app)


def test_broken_subscriptions_are_made_again(valkey, web, app, counting, pool):
    stream = pool.submit(read_stream, web.url, app, "a")
    counting.wait_until_called("a")

    valkey.drop_subscribers()
    counting.release("a")
    counting.wait_until_called("first-a")
    valkey.drop_subscribers()

    check("a", stream, web, app)


def test_queued_runs_outlive_their_queue(valkey, web, app, counting, pool):
    """The worker is busy with the first, so the tasks of the others are lost with everything else that Redis held."""
    streams = {"a": pool.submit(read_stream, web.url, app, "a")}
    counting.wait_until_called("a")
    for name in ("b", "c"):
        streams[name] = pool.submit(read_stream, web.url, app, name)
    wait_for(lambda: accepted(web, app) == len(streams), "the runs to be accepted")

    valkey.flush()
    for name in streams:
        counting.release(name)

    for name, stream in streams.items():
        check(name, stream, web, app)
    assert counting.calls() == {f"{step}{name}": 1 for name in streams for step in ("", "first-", "second-")}


def accepted(web: Web, app: ImportedApp) -> int:
    with Client(web.url, app.api_key) as client:
        return int(client.http.get("/v1/workflows/logs").json()["total"])


def test_a_run_submitted_while_redis_is_away_is_kept_or_refused(valkey, web, app, counting, pool):
    counting.release("a")
    valkey.kill()
    stream = pool.submit(read_stream, web.url, app, "a")
    wait_for(lambda: stream.done() or accepted(web, app), "the submission to be kept or refused")
    valkey.start()
    refusal = stream.exception(timeout=60)

    if isinstance(refusal, httpx.HTTPStatusError):
        assert refusal.response.status_code == 503
        assert accepted(web, app) == 0
    else:
        check("a", stream, web, app)
