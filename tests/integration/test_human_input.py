"""Runs that wait for people, with real workers over both databases: lost workers, limits, files."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.services import documents
from tests.services.client import Client
from tests.services.counting import CountingServer
from tests.services.penstock import Deployment, ImportedApp, Web
from tests.services.valkey import Valkey
from tests.services.waiting import wait_for

FAST = {
    "PENSTOCK_LEASE": "2",
    "PENSTOCK_HEARTBEAT": "0.4",
    "PENSTOCK_SWEEP": "0.4",
    "PENSTOCK_RESEND": "2",
    "PENSTOCK_OUTBOUND_ALLOW": "127.0.0.1",
}


@pytest.fixture(params=["postgresql", "sqlite"])
def deployment(request, tmp_path) -> Iterator[Deployment]:
    url = request.getfixturevalue("postgres_url" if request.param == "postgresql" else "sqlite_url")
    with Valkey() as valkey, Deployment(tmp_path / "deployment", url, valkey.url, **FAST) as deployment:
        yield deployment


@pytest.fixture
def web(deployment: Deployment) -> Web:
    return deployment.add_web()


@pytest.fixture
def counting() -> Iterator[CountingServer]:
    with CountingServer() as server:
        yield server


def token_of(event: dict[str, Any], node_id: str) -> str:
    """Of the form of a node, from a pause."""
    return next(reason["form_token"] for reason in event["data"]["reasons"] if reason["node_id"] == node_id)


def whole(client: Client, run_id: str) -> list[dict[str, Any]]:
    """Every event of a run, from its first one to its end."""
    with client.events(run_id, include_state_snapshot="true", continue_on_pause="true") as events:
        return list(events)


def side_by_side(counting: CountingServer) -> documents.Document:
    """Two people are asked side by side; behind each answer an address is called, the first of which waits for the test."""
    nodes = [
        documents.start(),
        documents.human_input("a", "A?", "x"),
        documents.human_input("b", "B?", "y"),
        documents.http_get("before", f"{counting.url}/count/before"),
        documents.http_get("behind_a", f"{counting.url}/hold/behind_a"),
        documents.http_get("behind_b", f"{counting.url}/count/behind_b"),
        documents.end(x=["a", "x"], y=["b", "y"]),
    ]
    branches = [("start", "before"), ("before", "a"), ("before", "b"), ("a", "behind_a", "yes"), ("b", "behind_b", "yes")]
    return documents.workflow("beside", nodes, [*branches, ("behind_a", "end"), ("behind_b", "end")])


def test_answers_outlive_the_workers_that_went_on_with_them(deployment: Deployment, web: Web, counting: CountingServer) -> None:
    """The second answer comes while the run is busy behind the first one; then its worker is killed."""
    app = deployment.import_document(side_by_side(counting))
    first = deployment.add_worker()
    with deployment.client(web, app) as client:
        pause = client.stream()[-1]
        run_id = pause["workflow_run_id"]
        assert client.answer(token_of(pause, "a"), "yes", {"x": "1"}).status_code == 200
        counting.wait_until_called("behind_a")
        assert client.answer(token_of(pause, "b"), "yes", {"y": "2"}).status_code == 200
        first.kill()
        deployment.add_worker()
        counting.wait_until_called("behind_a", times=2)
        counting.release("behind_a")
        events = whole(client, run_id)

    assert events[-1]["data"]["outputs"] == {"x": "1", "y": "2"}
    assert counting.calls() == {"before": 1, "behind_a": 2, "behind_b": 1}
    told = [event["event"] for event in events]
    assert [told.count(name) for name in ("workflow_paused", "workflow_started", "human_input_form_filled")] == [1, 2, 2]
    started = [event["data"]["node_id"] for event in events if event["event"] == "node_started"]
    assert sorted(started) == ["a", "b", "before", "behind_a", "behind_b", "end", "start"]


def test_a_run_that_was_paused_may_lose_as_many_workers_as_any_other(deployment: Deployment, web: Web, counting: CountingServer) -> None:
    """Three attempts: a pause, another one, and the end. None of them counts as lost."""
    app = deployment.import_document(side_by_side(counting))
    counting.release("behind_a")
    deployment.add_worker(PENSTOCK_MAX_ATTEMPTS="1")
    with deployment.client(web, app) as client:
        pause = client.stream()[-1]
        client.answer(token_of(pause, "b"), "yes", {"y": "2"})
        wait_for(lambda: counting.calls().get("behind_b"), "the first branch to go on")
        wait_for(lambda: client.detail(pause["workflow_run_id"])["status"] == "paused", "the second pause")
        client.answer(token_of(pause, "a"), "yes", {"x": "1"})
        events = whole(client, pause["workflow_run_id"])

    assert events[-1]["data"]["outputs"] == {"x": "1", "y": "2"}
    assert [event["event"] for event in events].count("workflow_paused") == 2


def test_the_limit_of_the_deployment_ends_a_run(deployment: Deployment, web: Web) -> None:
    nodes = [documents.start(), documents.human_input("ask", "Why?", "reason"), documents.end()]
    app = deployment.import_document(documents.workflow("late", nodes, [("start", "ask"), ("ask", "end", "yes")]))
    deployment.add_worker(PENSTOCK_HUMAN_INPUT_GLOBAL_TIMEOUT_SECONDS="0.5")

    with deployment.client(web, app) as client:
        pause = client.stream()[-1]
        last = whole(client, pause["workflow_run_id"])[-1]
        late = client.answer(token_of(pause, "ask"), "yes", {"reason": "so"})

    error = "Aborted: nobody filled in the form of node 'ASK' in time."
    assert (last["data"]["status"], last["data"]["error"], late.status_code) == ("failed", error, 412)


def test_a_person_hands_in_a_file_that_the_run_reads(deployment: Deployment, web: Web) -> None:
    rules = {"allowed_file_types": ["document"], "allowed_file_extensions": [], "allowed_file_upload_methods": ["local_file"]}
    ask = documents.human_input("ask", "Your note? {{#$output.note#}}")
    ask["data"]["inputs"] = [{"type": "file", "output_variable_name": "note", **rules}]
    read = documents.node("read", "document-extractor", variable_selector=["ask", "note"], is_array_file=False)
    nodes = [documents.start(), ask, read, documents.end(text=["read", "text"], shown=["ask", "__rendered_content"])]
    app: ImportedApp = deployment.import_document(
        documents.workflow("note", nodes, [("start", "ask"), ("ask", "read", "yes"), ("read", "end")])
    )
    deployment.add_worker()

    with deployment.client(web, app) as client, deployment.client(web, app, user="bob") as bob:
        pause = client.stream()[-1]
        uploaded = bob.upload("note.txt", b"Buy tea.", "text/plain")
        given = {"type": "document", "transfer_method": "local_file", "upload_file_id": uploaded["id"]}
        answer = bob.answer(token_of(pause, "ask"), "yes", {"note": given})
        assert answer.status_code == 200, answer.text
        events = whole(client, pause["workflow_run_id"])

    assert events[-1]["data"]["outputs"] == {"text": "Buy tea.", "shown": "Your note? [file]"}
    (filled,) = [event["data"] for event in events if event["event"] == "human_input_form_filled"]
    assert filled["submitted_data"]["note"]["filename"] == "note.txt"
