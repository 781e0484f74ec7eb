"""Runs that go on from failed ones, over two API instances and from the shell."""

from __future__ import annotations

import json

import httpx
import pytest

from tests.services import documents


@pytest.fixture
def app(cluster, counting):
    return cluster.deployment.import_document(calls(counting, "drop/b"))


def calls(counting, second):
    """Two calls, of which the second one may fail."""
    nodes = [documents.http_get("a", f"{counting.url}/count/a"), documents.http_get("b", f"{counting.url}/{second}")]
    return documents.chain("calls", [documents.start(documents.variable("query")), *nodes, documents.end(body=["b", "body"])])


def test_a_failed_run_goes_on_over_any_instance_and_tells_the_whole_story(cluster, app, counting):
    with cluster.client(app, 0) as one, cluster.client(app, 1, user="other") as other:
        old = one.run({"query": "x"})
        assert (old["data"]["status"], old["data"]["outputs"]) == ("failed", {})
        still = other.stream_resumed(old["workflow_run_id"])
        counting.release("b")
        events = other.stream_resumed(still[-1]["workflow_run_id"])
        refused = other.http.post(f"/v1/workflows/run/{events[-1]['workflow_run_id']}/resume", json={"user": "other"})
        seen = one.detail(events[0]["workflow_run_id"])

    assert still[-1]["data"]["status"] == "failed"
    assert [event["event"] for event in events] == [
        "workflow_started",
        *["node_started", "node_finished"] * 2,
        "node_started",
        "text_chunk",
        "node_finished",
        *["node_started", "node_finished"],
        "workflow_finished",
    ]
    assert events[-1]["data"]["outputs"] == seen["outputs"] == {"body": "b"}
    assert (events[-1]["data"]["total_steps"], seen["total_steps"]) == (4, 4)
    assert json.loads(seen["inputs"])["query"] == "x"
    assert (refused.status_code, refused.json()["code"]) == (409, "run_not_resumable")
    assert counting.calls() == {"a": 1, "b": 3}


def test_the_same_request_twice_is_one_run(cluster, app, counting):
    with cluster.client(app) as client:
        old = client.run()["workflow_run_id"]
    counting.release("b")
    headers = {"Authorization": f"Bearer {app.api_key}", "Idempotency-Key": "again"}

    answers = [
        httpx.post(f"{web.url}/v1/workflows/run/{old}/resume", json={"user": "tester"}, headers=headers, timeout=60) for web in cluster.webs
    ]

    assert answers[0].json() == answers[1].json()
    assert answers[0].json()["data"]["status"] == "succeeded"
    assert counting.calls() == {"a": 1, "b": 2}


def test_a_run_is_resumed_on_the_command_line_with_a_version_that_is_mended(cluster, app, counting):
    call = cluster.deployment.call
    with cluster.client(app) as client:
        old = client.run()["workflow_run_id"]
    cluster.deployment.publish_document(app, calls(counting, "count/mended"))

    resumed = call("runs", "resume", old, "--latest", "--watch", "--json")
    again = call("runs", "resume", old)

    ids, *events = [json.loads(line) for line in resumed.stdout.splitlines()]
    assert resumed.returncode == 0, resumed.stderr
    assert (ids["resumed_from"], events[-1]["event"], events[-1]["data"]["status"]) == (old, "workflow_finished", "succeeded")
    assert {event["workflow_run_id"] for event in events} == {ids["run_id"]}
    assert ids["workflow_id"] != app.workflow_id
    assert counting.calls()["a"] == counting.calls()["mended"] == 1
    shown = json.loads(call("runs", "show", ids["run_id"], "--json").stdout)
    assert (shown["resumed_from"], [node["node_id"] for node in shown["nodes"]]) == (old, ["start", "a", "b", "end"])
    assert again.stdout.startswith("The run goes on as ")
    refused = call("runs", "resume", ids["run_id"])
    assert (refused.returncode, refused.stderr) == (1, "penstock: The run succeeded: nothing is left to do.\n")
