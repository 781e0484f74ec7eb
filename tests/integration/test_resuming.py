"""Runs that go on from failed ones, with real workers over both databases: only what is left is executed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.services import documents
from tests.services.client import Client
from tests.services.counting import CountingServer
from tests.services.penstock import Deployment, Web
from tests.services.processes import Process
from tests.services.valkey import Valkey
from tests.services.waiting import wait_for

FAST = {
    "PENSTOCK_LEASE": "2",
    "PENSTOCK_HEARTBEAT": "0.4",
    "PENSTOCK_SWEEP": "0.4",
    "PENSTOCK_RESEND": "2",
    "PENSTOCK_OUTBOUND_ALLOW": "127.0.0.1",
}

ITEMS = [str(number) for number in range(100)]
BROKEN = 57


@dataclass(frozen=True, slots=True)
class Place:
    deployment: Deployment
    web: Web

    def client_of(self, document: documents.Document) -> Client:
        return self.deployment.client(self.web, self.deployment.import_document(document))


@pytest.fixture(scope="module", params=["postgresql", "sqlite"])
def place(request, new_postgres_database, tmp_path_factory) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("resuming")
    url = new_postgres_database() if request.param == "postgresql" else f"sqlite:///{folder / 'test.sqlite3'}"
    with Valkey() as valkey, Deployment(folder / "deployment", url, valkey.url, **FAST) as deployment:
        yield Place(deployment, deployment.add_web())
        examined = deployment.call("doctor")
        assert examined.returncode == 0, examined.stdout + examined.stderr


@pytest.fixture
def worker(place: Place) -> Iterator[Process]:
    worker = place.deployment.add_worker()
    yield worker
    worker.close()


@pytest.fixture
def counting() -> Iterator[CountingServer]:
    with CountingServer() as server:
        yield server


def calls(counting: CountingServer, *paths: str) -> documents.Document:
    """Calls of ``count/NAME``, ``drop/NAME`` or ``hold/NAME``, one after the other."""
    nodes = [documents.http_get(path.partition("/")[2], f"{counting.url}/{path}") for path in paths]
    return documents.chain("calls", [documents.start(), *nodes, documents.end(last=[nodes[-1]["id"], "body"])])


def iterated(counting: CountingServer, is_parallel: bool) -> documents.Document:
    """A call for each of a hundred items."""
    listing = documents.code("listing", f"def main():\n    return {{'items': list(range({len(ITEMS)}))}}", {"items": "array[number]"})
    ask = documents.http_get("ask", f"{counting.url}/drop/{{{{#each.item#}}}}")
    each = documents.iteration("each", ["listing", "items"], ask, output_selector=["ask", "body"], is_parallel=is_parallel)
    nodes = [documents.start(), listing, *each, documents.end(bodies=["each", "output"])]
    edges = [("start", "listing"), ("listing", "each"), documents.container_edge("each", ask), ("each", "end")]
    return documents.workflow("hundred", nodes, edges)


def failed_run(client: Client) -> str:
    run = client.run()
    assert run["data"]["status"] == "failed"
    run_id: str = run["workflow_run_id"]
    return run_id


def told(run: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    return run["data"]["status"], run["data"]["outputs"]


@pytest.mark.usefixtures("worker")
def test_only_what_failed_and_what_is_behind_it_is_executed(place: Place, counting: CountingServer) -> None:
    """Node 3 of 4; the stream of the new run tells of all of them."""
    with place.client_of(calls(counting, "count/a", "count/b", "drop/c", "count/d")) as client:
        old = failed_run(client)
        counting.release("c")
        events = client.stream_resumed(old)
        new = events[-1]["data"]
        with client.events(new["id"], event_ids="true") as again:
            assert list(again) == events
        assert client.detail(old)["status"] == "failed"

    assert (new["status"], new["outputs"], new["total_steps"]) == ("succeeded", {"last": "d"}, 6)
    nodes = [event["data"]["node_id"] for event in events if event["event"] == "node_finished"]
    assert nodes == ["start", "a", "b", "c", "d", "end"]
    assert counting.calls() == {"a": 1, "b": 1, "c": 2, "d": 1}


@pytest.mark.usefixtures("worker")
@pytest.mark.parametrize("is_parallel", [False, True], ids=["in a row", "side by side"])
def test_items_of_an_iteration_that_are_done_are_not_repeated(place: Place, counting: CountingServer, is_parallel: bool) -> None:
    for item in ITEMS:
        if item != ITEMS[BROKEN]:
            counting.release(item)
    with place.client_of(iterated(counting, is_parallel)) as client:
        old = failed_run(client)
        assert set(ITEMS[: BROKEN + 1]) <= counting.calls().keys() < set(ITEMS)
        counting.release(ITEMS[BROKEN])

        assert told(client.resume(old)) == ("succeeded", {"bodies": ITEMS})

    assert counting.calls() == {item: 2 if item == ITEMS[BROKEN] else 1 for item in ITEMS}


@pytest.mark.usefixtures("worker")
def test_rounds_of_a_loop_that_are_done_are_not_repeated(place: Place, counting: CountingServer) -> None:
    for number in "013":
        counting.release(number)
    with place.client_of(documents.loop_of_calls(f"{counting.url}/drop", 4)) as client:
        old = failed_run(client)
        counting.release("2")

        assert told(client.resume(old)) == ("succeeded", {"number": 4})

    assert counting.calls() == {"0": 1, "1": 1, "2": 2, "3": 1}


def test_a_run_whose_worker_died_is_gone_on_from_and_so_is_that_one_when_its_worker_dies(place: Place, counting: CountingServer) -> None:
    """The first loss ends the run, the second one does not; what failed was mended in between."""
    workers = [place.deployment.add_worker(PENSTOCK_MAX_ATTEMPTS="1")]
    app = place.deployment.import_document(calls(counting, "count/a", "hold/b", "count/c"))
    with place.deployment.client(place.web, app) as client:
        old = client.start()
        counting.wait_until_called("b")
        workers[0].kill()
        workers.append(place.deployment.add_worker(PENSTOCK_MAX_ATTEMPTS="1"))
        wait_for(lambda: client.detail(old)["status"] == "failed", "the run to be given up")
        place.deployment.publish_document(app, calls(counting, "count/a", "hold/mended", "count/c"))

        new = client.resume(old, workflow_id="latest", response_mode="async")["workflow_run_id"]
        counting.wait_until_called("mended")
        workers[1].kill()
        workers.append(place.deployment.add_worker())
        counting.release("mended")
        wait_for(lambda: client.detail(new)["status"] == "succeeded", "the run to end")
        with client.events(new, event_ids="true") as events:
            kinds = [event["event"] for event in events]
        workers[2].close()

    assert counting.calls() == {"a": 1, "b": 1, "mended": 2, "c": 1}
    assert (kinds.count("workflow_started"), kinds.count("node_finished"), kinds[-1]) == (1, 5, "workflow_finished")
