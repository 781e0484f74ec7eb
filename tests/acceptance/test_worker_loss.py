"""Runs survive their worker: it is killed, frozen or told to leave in the middle of one."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from tests.acceptance.streams import check_whole, read_stream, run_of
from tests.services import documents
from tests.services.client import Client
from tests.services.counting import CountingServer
from tests.services.penstock import Deployment, ImportedApp, Web
from tests.services.sse import Message
from tests.services.valkey import Valkey

#: Lost workers are noticed within a second or two instead of half a minute.
FAST = {
    "PENSTOCK_LEASE": "2",
    "PENSTOCK_HEARTBEAT": "0.4",
    "PENSTOCK_SWEEP": "0.4",
    "PENSTOCK_RESEND": "3",
    "PENSTOCK_DRAIN": "1",
    "PENSTOCK_OUTBOUND_ALLOW": "127.0.0.1",
}

CALLS = [f"n{number}" for number in range(1, 11)]

#: Where the worker is lost: nine nodes are behind or before it.
HELD = "n5"


@pytest.fixture(params=["postgresql", "sqlite"])
def deployment(request, tmp_path) -> Iterator[Deployment]:
    url = request.getfixturevalue("postgres_url" if request.param == "postgresql" else "sqlite_url")
    with Valkey() as valkey, Deployment(tmp_path / "deployment", url, valkey.url, **FAST) as deployment:
        yield deployment


@pytest.fixture
def web(deployment: Deployment) -> Web:
    return deployment.add_web()


@pytest.fixture
def app(deployment: Deployment, counting: CountingServer) -> ImportedApp:
    """Ten calls in a row, the fifth of which waits for the test."""
    calls = [documents.http_get(name, f"{counting.url}/{'hold' if name == HELD else 'count'}/{name}") for name in CALLS]
    return deployment.import_document(documents.chain("ten", [documents.start(), *calls, documents.end(last=[CALLS[-1], "body"])]))


@pytest.fixture
def stream(web: Web, app: ImportedApp, counting: CountingServer) -> Iterator[Future[list[Message]]]:
    """The stream of a run, read in a thread."""
    with ThreadPoolExecutor(1) as pool:
        try:
            yield pool.submit(read_stream, web.url, app)
        finally:
            counting.release(HELD)


def test_a_killed_worker_loses_nothing_and_repeats_only_the_node_in_flight(deployment, web, app, counting, stream):
    first = deployment.add_worker()
    counting.wait_until_called(HELD)
    first.kill()
    deployment.add_worker()
    counting.wait_until_called(HELD, times=2)
    counting.release(HELD)

    check(stream, web, app)
    assert counting.calls() == {name: 2 if name == HELD else 1 for name in CALLS}


def test_a_frozen_worker_that_wakes_up_changes_nothing(deployment, web, app, counting, stream):
    """Its lease ran out and another worker finished the run: whatever it still writes is refused."""
    frozen = deployment.add_worker()
    counting.wait_until_called(HELD)
    frozen.pause()
    deployment.add_worker()
    counting.wait_until_called(HELD, times=2)
    counting.release(HELD)
    messages = check(stream, web, app)
    frozen.resume()
    # The worker says that it gives the run up: by then it has tried to write.
    frozen.wait_for_output(f"{run_of(messages)} (belongs to another worker|is lost to this worker)", timeout_s=30)

    with Client(web.url, app.api_key) as client, client.events(run_of(messages), include_state_snapshot="true") as events:
        assert [event["event"] for event in events] == [message.json["event"] for message in messages]
    assert counting.calls() == {name: 2 if name == HELD else 1 for name in CALLS}


def test_a_worker_that_is_told_to_leave_hands_its_runs_over(deployment, web, app, counting, stream):
    leaving = deployment.add_worker()
    counting.wait_until_called(HELD)
    leaving.terminate()
    deployment.add_worker()
    counting.wait_until_called(HELD, times=2)
    assert leaving.wait(timeout_s=25) == 0
    counting.release(HELD)

    check(stream, web, app)
    assert counting.calls() == {name: 2 if name == HELD else 1 for name in CALLS}


def check(stream: Future[list[Message]], web: Web, app: ImportedApp) -> list[Message]:
    """The reader saw one whole run, although two workers wrote it."""
    messages = stream.result(timeout=60)
    check_whole(messages, ["start", *CALLS, "end"], {"last": CALLS[-1]}, web.url, app)
    return messages
