"""Limits hold over all API processes and in every way to run a workflow; who comes back when told to gets in."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import cycle
from typing import Any

import httpx
import pytest

from tests.services import documents
from tests.services.client import RUN
from tests.services.counting import CountingServer
from tests.services.penstock import Deployment, ImportedApp, Web
from tests.services.valkey import Valkey
from tests.services.waiting import wait_for

MODES = ("blocking", "streaming", "async")

#: Tries of a client that comes back whenever it is told to.
PATIENCE = 60


@pytest.fixture
def settings() -> dict[str, str]:
    return {"PENSTOCK_OUTBOUND_ALLOW": "127.0.0.1"}


@pytest.fixture(params=["postgresql", "sqlite"])
def deployment(request: pytest.FixtureRequest, tmp_path, settings: dict[str, str]) -> Iterator[Deployment]:
    url = request.getfixturevalue("postgres_url" if request.param == "postgresql" else "sqlite_url")
    with Valkey() as valkey, Deployment(tmp_path / "deployment", url, valkey.url, **settings) as deployment:
        yield deployment


@pytest.fixture
def webs(deployment: Deployment) -> tuple[Web, Web]:
    return deployment.add_web(), deployment.add_web()


def holding(counting: CountingServer, name: str) -> documents.Document:
    """A run that goes on until the test lets it end."""
    call = documents.http_get("call", f"{counting.url}/hold/{name}")
    return documents.chain(name, [documents.start(), call, documents.end(body=["call", "body"])])


def limit(deployment: Deployment, app: ImportedApp, *options: str) -> None:
    done = deployment.call("limits", "set", app.app_id, *options)
    assert done.returncode == 0, done.stderr


def post(web: Web, app: ImportedApp, mode: str, **headers: str) -> httpx.Response:
    """The whole answer, of a stream too."""
    body: dict[str, Any] = {"inputs": {}, "response_mode": mode, "user": "tester"}
    return httpx.post(f"{web.url}{RUN}", json=body, headers={"Authorization": f"Bearer {app.api_key}", **headers}, timeout=90)


def post_patiently(web: Web, app: ImportedApp, mode: str) -> httpx.Response:
    """The answer to a client that does what ``Retry-After`` says."""
    for _ in range(PATIENCE):
        answer = post(web, app, mode)
        if "Retry-After" not in answer.headers:
            break
        time.sleep(int(answer.headers["Retry-After"]))
    return answer


def runs_of(web: Web, app: ImportedApp) -> int:
    answer = httpx.get(f"{web.url}/v1/workflows/logs", headers={"Authorization": f"Bearer {app.api_key}"}, timeout=30)
    total: int = answer.json()["total"]
    return total


def test_no_more_runs_are_open_than_may_be_whatever_their_mode_and_instance(deployment, webs, counting):
    app = deployment.import_document(holding(counting, "held"))
    limit(deployment, app, "--max-concurrency", "3")
    deployment.add_worker()
    with ThreadPoolExecutor(30) as clients:
        answers = [clients.submit(post, web, app, mode) for web, mode in zip(cycle(webs), MODES * 10, strict=False)]
        counting.wait_until_called("held", 3)
        wait_for(lambda: sum(answer.done() and answer.result().status_code == 429 for answer in answers) == 27, "27 refusals")
        stored = runs_of(webs[0], app)
        waiting = [clients.submit(post_patiently, web, app, mode) for web, mode in zip(cycle(webs), MODES, strict=False)]
        counting.release("held")
        ends = [answer.result() for answer in answers]
        late = [answer.result() for answer in waiting]

    refused = [answer for answer in ends if answer.status_code == 429]
    assert len(refused) == 27
    assert stored == 3
    assert {answer.json()["code"] for answer in refused} == {"too_many_requests"}
    assert all(int(answer.headers["Retry-After"]) >= 1 for answer in refused)
    assert all(answer.headers["Content-Type"] == "application/json" for answer in refused)
    assert [answer.status_code for answer in late] == [200, 200, 202]
    assert runs_of(webs[1], app) == 6


def test_runs_begin_no_faster_than_they_may_over_both_instances(deployment, webs, counting):
    app = deployment.import_document(documents.chain("quick", [documents.start(), documents.end()]))
    limit(deployment, app, "--max-rate", "60", "--max-burst", "2")
    deployment.add_worker()
    began = time.monotonic()
    with ThreadPoolExecutor(12) as clients:
        answers = list(clients.map(lambda number: post(webs[number % 2], app, MODES[number % 3]), range(24)))
    elapsed_s = time.monotonic() - began
    accepted = [answer for answer in answers if answer.status_code < 300]
    refused = [answer for answer in answers if answer.status_code == 429]
    late = [post_patiently(web, app, mode).status_code for web, mode in zip(webs, ("blocking", "async"), strict=True)]

    assert len(accepted) + len(refused) == 24
    assert 2 <= len(accepted) <= 2 + elapsed_s
    assert {answer.json()["code"] for answer in refused} <= {"rate_limit_error"}
    assert all(int(answer.headers["Retry-After"]) >= 1 for answer in refused)
    assert late == [200, 202]
    assert runs_of(webs[0], app) == len(accepted) + 2


@pytest.mark.parametrize("settings", [{"PENSTOCK_MAX_QUEUED": "4"}], ids=["4"])
def test_a_queue_that_is_full_refuses_everybody_until_there_are_workers(deployment, webs, counting):
    app, other = deployment.import_documents([documents.chain(name, [documents.start(), documents.end()]) for name in ("one", "two")])
    accepted = [post(webs[0], app, "async", **{"Idempotency-Key": str(number)}) for number in range(4)]
    refused = [post(web, one, mode) for web, one, mode in zip(cycle(webs), (app, app, other), MODES, strict=False)]
    again = post(webs[1], app, "async", **{"Idempotency-Key": "3"})
    stored = runs_of(webs[0], app), runs_of(webs[0], other)
    deployment.add_worker()

    assert [answer.status_code for answer in accepted] == [202] * 4
    assert [(answer.status_code, answer.json()["code"]) for answer in refused] == [(503, "service_unavailable")] * 3
    assert all(int(answer.headers["Retry-After"]) >= 1 for answer in refused)
    assert again.json() == accepted[3].json()
    assert stored == (4, 0)
    assert post_patiently(webs[1], other, "blocking").json()["data"]["status"] == "succeeded"
