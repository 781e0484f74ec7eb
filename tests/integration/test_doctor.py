"""A deployment after runs of every kind has nothing that the doctor could find; nor has one in the middle of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.services import documents
from tests.services.documents import Document
from tests.services.stage import Stage
from tests.services.waiting import wait_for
from worker.doctor import examine
from worker.engine.events import RunStatus


@pytest.fixture(params=["sqlite_url", "postgres_url"])
def stage(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Stage]:
    settings = {"PENSTOCK_SWEEP": "0.3", "PENSTOCK_LEASE": "2", "PENSTOCK_HEARTBEAT": "0.3", "PENSTOCK_DRAIN": "0.2"}
    with Stage(tmp_path / "stage", request.getfixturevalue(request.param), **settings) as stage:
        yield stage


def shapes(url: str) -> Mapping[str, Document]:
    """Workflows that store what can be stored in as many ways as there are."""
    items = documents.code("items", "def main():\n    return {'list': ['a', 'b', 'c']}", {"list": "array[string]"})
    greeting = documents.template("greet", "Hi {{ item }}", item=["each", "item"])
    outer, *held = documents.iteration("each", ["items", "list"], greeting)
    iteration = [documents.start(), items, outer, *held, documents.end(all=["each", "output"])]
    edges = [("start", "items"), ("items", "each"), documents.container_edge("each", greeting), ("each", "end")]
    retry = {"retry_enabled": True, "max_retries": 2, "retry_interval": 10}
    refused = documents.http_get("call", "http://127.0.0.1:1/", retry_config=retry)
    handled = documents.http_get("call", "http://127.0.0.1:1/", error_strategy="default-value", default_value=[])
    raising = documents.code("code", "def main():\n    return 1 / 0", {})
    return {
        "chain": documents.chain(
            "chain", [documents.start(), documents.http_get("call", f"{url}/count/a"), documents.end(x=["call", "body"])]
        ),
        "iteration": documents.workflow("iteration", iteration, edges),
        "loop": documents.loop_of_calls(f"{url}/count", 3),
        "retried": documents.chain("retried", [documents.start(), refused, documents.end()]),
        "handled": documents.chain("handled", [documents.start(), handled, documents.end()]),
        "raising": documents.chain("raising", [documents.start(), raising, documents.end()]),
        "asking": documents.chain("asking", [documents.start(), documents.human_input("ask", "Well?"), documents.end()]),
        "held": documents.chain("held", [documents.start(), documents.http_get("call", f"{url}/hold/b"), documents.end()]),
    }


def test_runs_of_every_kind_leave_everything_in_order(stage: Stage) -> None:
    stage.staff()
    known = shapes(stage.counting.url)
    apps = dict(zip(known, stage.deployment.import_documents(list(known.values())), strict=True))
    clients = {name: stage.client(app) for name, app in apps.items()}

    for name in ("chain", "iteration", "loop", "retried", "handled", "raising", "asking"):
        clients[name].stream()
    paused = clients["asking"].stream()
    token = next(event["data"]["form_token"] for event in paused if event["event"] == "human_input_required")
    clients["asking"].answer(token, "yes")
    with clients["held"].open() as events:
        stage.counting.wait_until_called("b")
        clients["held"].stop(next(events)["task_id"])
    failed = clients["raising"].run()["workflow_run_id"]
    clients["raising"].resume(failed)
    lost = clients["held"].start()
    stage.counting.wait_until_called("b", 2)
    stage.kill_worker(stage.workers[0])
    stage.add_worker()
    stage.counting.release("b")
    wait_for(lambda: all(seen.status == RunStatus.PAUSED for seen in stage.unfinished().values()), "the runs to end", interval_s=0.1)

    assert [str(finding) for finding in examine(stage.config, stage.database, stage.redis)] == []
    assert {position.status for position in stage.positions(id for id, _ in stage.tasks()).values()} == {
        *(RunStatus.SUCCEEDED, RunStatus.PARTIAL_SUCCEEDED, RunStatus.FAILED, RunStatus.STOPPED, RunStatus.PAUSED)
    }
    assert stage.positions([lost])[lost].attempt == 2
    for client in clients.values():
        client.close()


def test_what_is_on_its_way_is_no_finding(stage: Stage) -> None:
    stage.staff()
    known = shapes(stage.counting.url)
    names = ("chain", "iteration", "loop", "raising")
    apps = stage.deployment.import_documents([known[name] for name in names])
    clients = [stage.client(app) for app in apps]

    with ThreadPoolExecutor(8) as pool:
        streams = [pool.submit(clients[number % len(clients)].stream) for number in range(80)]
        looks = []
        while not all(stream.done() for stream in streams):
            looks.append([str(finding) for finding in examine(stage.config, stage.database, stage.redis)])

    assert looks == [[]] * len(looks)
    assert len(looks) >= 2
    for client in clients:
        client.close()
