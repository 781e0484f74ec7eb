"""A stop converges: in the stream and in the record, and nothing starts after it (reliability.md section 1.5)."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from tests.services import documents
from tests.services.client import Client
from tests.services.counting import CountingServer
from tests.services.penstock import Deployment, ImportedApp
from tests.services.valkey import Valkey

#: The promise is one second on a machine of its own. Here a dozen processes share two cores with whatever else runs on them; the bound
#: still tells a stop that was told apart from one that waited for a heartbeat (5 s) or for the node (minutes).
WITHIN_S = 3.0


@pytest.fixture(scope="module")
def waits(cluster, shared_counting) -> ImportedApp:
    return cluster.deployment.import_document(held("waits", shared_counting.url))


def held(name: str, url: str) -> documents.Document:
    """Start, a call that waits for the test, a second call, end."""
    query = documents.start(documents.variable("query", required=True))
    hold = documents.http_get("hold", f"{url}/hold/{{{{#start.query#}}}}")
    after = documents.http_get("after", f"{url}/count/after-{{{{#start.query#}}}}")
    return documents.chain(name, [query, hold, after, documents.end(body=["after", "body"])])


@pytest.mark.parametrize("instance", [0, 1], ids=["same instance", "other instance"])
def test_a_running_run_is_stopped_at_once(cluster, waits, shared_counting, instance):
    name = f"running{instance}"
    with cluster.client(waits) as client, cluster.client(waits, instance) as other, client.open({"query": name}) as events:
        first = next(events)
        shared_counting.wait_until_called(name)

        asked_at = time.monotonic()
        assert other.stop(first["task_id"]).json() == {"result": "success"}
        last = list(events)[-1]
        took_s = time.monotonic() - asked_at
        record = other.detail(first["workflow_run_id"])

    assert (last["event"], last["data"]["status"], last["data"]["error"]) == ("workflow_finished", "stopped", "Stopped by user.")
    assert (record["status"], record["error"], record["outputs"]) == ("stopped", "Stopped by user.", {})
    assert took_s < WITHIN_S
    shared_counting.release(name)
    assert_nothing_follows(cluster, waits, shared_counting, name)


def assert_nothing_follows(cluster, app: ImportedApp, counting: CountingServer, name: str) -> None:
    """Another run goes through the same workers from end to end; by then the stopped one would have made its next call."""
    probe = f"probe-{name}"
    counting.release(probe)
    with cluster.client(app) as client:
        assert client.run({"query": probe})["data"]["status"] == "succeeded"
    assert f"after-{name}" not in counting.calls()


def test_a_blocking_call_ends_when_its_run_is_stopped(cluster, waits, shared_counting):
    with (
        ThreadPoolExecutor(1) as pool,
        cluster.client(waits, user="blocked") as client,
        cluster.client(waits, instance=1, user="blocked") as other,
    ):
        answer = pool.submit(client.run, {"query": "blocking"})
        shared_counting.wait_until_called("blocking")
        listed = other.http.get("/v1/workflows/logs", params={"created_by_end_user_session_id": "blocked"}).json()
        run_id = listed["data"][0]["workflow_run"]["id"]
        with other.events(run_id, include_state_snapshot="true") as events:
            task_id = next(events)["task_id"]
        other.stop(task_id)

        assert answer.result()["data"]["status"] == "stopped"


def test_stop_of_another_app_has_no_effect(cluster, waits, shared_counting):
    stranger = cluster.deployment.import_document(documents.chain("stranger", [documents.start(), documents.end()]))
    with cluster.client(waits) as client, cluster.client(stranger) as foreign, client.open({"query": "foreign"}) as events:
        first = next(events)
        shared_counting.wait_until_called("foreign")
        assert foreign.stop(first["task_id"]).json() == {"result": "success"}
        shared_counting.release("foreign")
        assert list(events)[-1]["data"]["status"] == "succeeded"


def test_stop_of_a_finished_run_changes_nothing(cluster, waits, shared_counting):
    shared_counting.release("finished")
    with cluster.client(waits) as client:
        run = client.run({"query": "finished"})
        assert client.stop(run["task_id"]).json() == {"result": "success"}
        assert client.stop(run["task_id"]).json() == {"result": "success"}
        assert client.detail(run["workflow_run_id"])["status"] == "succeeded"


@pytest.fixture
def without_worker(postgres_url: str, tmp_path) -> Iterator[Deployment]:
    with Valkey() as valkey, Deployment(tmp_path, postgres_url, valkey.url, PENSTOCK_OUTBOUND_ALLOW="127.0.0.1") as deployment:
        yield deployment


def test_a_queued_run_is_stopped_at_once_and_never_starts(without_worker, postgres_url, counting):
    app = without_worker.import_document(held("queued", counting.url))
    counting.release("queued")
    counting.release("probe")
    with Client(without_worker.add_web().url, app.api_key) as client:
        with client.http.stream("POST", "/v1/workflows/run", json=request_of("queued")) as response:
            run_id = response.headers["X-Workflow-Run-ID"]
            task_id = task_of(postgres_url, run_id)
            asked_at = time.monotonic()
            client.stop(task_id)
            body = response.read().decode()
            took_s = time.monotonic() - asked_at
        assert '"status":"stopped"' in body
        assert client.detail(run_id)["status"] == "stopped"
        assert took_s < WITHIN_S

        # The task of the stopped run is still first in the queue of the worker that comes now.
        without_worker.add_worker()
        assert client.run({"query": "probe"})["data"]["status"] == "succeeded"
    assert counting.calls() == {"probe": 1, "after-probe": 1}


def request_of(query: str) -> dict[str, object]:
    return {"inputs": {"query": query}, "response_mode": "streaming", "user": "tester"}


def task_of(database_url: str, run_id: str) -> str:
    """No event has told it yet, since nobody has started the run."""
    with psycopg.connect(database_url) as connection:
        row = connection.execute("SELECT task_id FROM runs WHERE id = %s", [run_id]).fetchone()
    assert row is not None
    return str(row[0])
