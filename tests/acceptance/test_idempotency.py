"""One request sent many times, over two API processes, is one run (reliability.md section 1.9)."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from tests.services import documents
from tests.services.client import RUN, Client
from tests.services.counting import CountingServer
from tests.services.penstock import Deployment, ImportedApp, Web
from tests.services.valkey import Valkey
from tests.services.waiting import wait_for

BODY = {"inputs": {}, "response_mode": "blocking", "user": "tester"}


@pytest.fixture(params=["postgresql", "sqlite"])
def deployment(request, tmp_path) -> Iterator[Deployment]:
    url = request.getfixturevalue("postgres_url" if request.param == "postgresql" else "sqlite_url")
    with Valkey() as valkey, Deployment(tmp_path / "deployment", url, valkey.url, PENSTOCK_OUTBOUND_ALLOW="127.0.0.1") as deployment:
        yield deployment


@pytest.fixture
def app(deployment: Deployment, counting: CountingServer) -> ImportedApp:
    """One call that is seen from outside."""
    call = documents.http_get("call", f"{counting.url}/count/effect")
    return deployment.import_document(documents.chain("effect", [documents.start(), call, documents.end(body=["call", "body"])]))


def post(web: Web, app: ImportedApp, key: str, **changes: Any) -> httpx.Response:
    headers = {"Authorization": f"Bearer {app.api_key}", "Idempotency-Key": key}
    return httpx.post(f"{web.url}{RUN}", json={**BODY, **changes}, headers=headers, timeout=90)


def runs_of(web: Web, app: ImportedApp) -> list[dict[str, Any]]:
    answer = httpx.get(f"{web.url}/v1/workflows/logs", headers={"Authorization": f"Bearer {app.api_key}"}, timeout=30)
    return [entry["workflow_run"] for entry in answer.json()["data"]]


def test_a_hundred_requests_at_once_over_two_instances_are_one_run(deployment, app, counting):
    webs = [deployment.add_web(), deployment.add_web()]
    deployment.add_worker()
    with ThreadPoolExecutor(100) as clients:
        answers = list(clients.map(lambda number: post(webs[number % 2], app, "order-1"), range(100)))

    assert [answer.status_code for answer in answers] == [200] * 100
    assert len({answer.text for answer in answers}) == 1
    assert answers[0].json()["data"]["outputs"] == {"body": "effect"}
    assert [run["id"] for run in runs_of(webs[0], app)] == [answers[0].json()["workflow_run_id"]]
    assert counting.calls() == {"effect": 1}
    assert post(webs[1], app, "order-1", user="other").json()["code"] == "idempotency_key_reused"


def test_who_sends_again_after_the_api_died_gets_the_run_that_was_accepted(deployment, app, counting):
    """It died after the commit and before the answer: its client knows nothing of the run."""
    dying, other = deployment.add_web(), deployment.add_web()
    with ThreadPoolExecutor(1) as pool:
        cut_off = pool.submit(post, dying, app, "order-1")
        (accepted,) = wait_for(lambda: runs_of(other, app), "the run to be accepted")
        dying.process.kill()
        with pytest.raises(httpx.TransportError):
            cut_off.result(timeout=30)

    deployment.add_worker()
    answer = post(other, app, "order-1")

    assert answer.json()["workflow_run_id"] == accepted["id"]
    assert answer.json()["data"]["status"] == "succeeded"
    assert answer.headers["Idempotent-Replayed"] == "true"
    assert counting.calls() == {"effect": 1}


def test_a_stream_can_be_asked_for_again_on_the_other_instance(deployment, app):
    webs = [deployment.add_web(), deployment.add_web()]
    deployment.add_worker()

    def read(web: Web) -> list[dict[str, Any]]:
        with Client(web.url, app.api_key) as client:
            client.http.headers["Idempotency-Key"] = "stream-1"
            return client.stream()

    with ThreadPoolExecutor(8) as clients:
        streams = list(clients.map(read, webs * 4))

    assert [event["event"] for event in streams[0]][:: len(streams[0]) - 1] == ["workflow_started", "workflow_finished"]
    assert all(stream == streams[0] for stream in streams)
