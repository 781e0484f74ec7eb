"""A stream that breaks goes on at any instance, after any event."""

from __future__ import annotations

import httpx
import pytest

from tests.services import documents
from tests.services.client import RUN
from tests.services.penstock import ImportedApp
from tests.services.sse import EventSource, Message, parse

NODES = ["start", "first", "hold", "last", "end"]

#: Two events for each node, one for the run's start and one for its end, and three chunks of text: two outputs and a line break between.
EVENTS = 2 * len(NODES) + 5


@pytest.fixture(scope="module")
def app(cluster, shared_counting) -> ImportedApp:
    query = documents.start(documents.variable("query", required=True))
    hold = documents.http_get("hold", f"{shared_counting.url}/hold/{{{{#start.query#}}}}")
    nodes = [
        query,
        documents.template("first", "a", q=["start", "query"]),
        hold,
        documents.template("last", "b", q=["start", "query"]),
        documents.end(first=["first", "output"], last=["last", "output"]),
    ]
    return cluster.deployment.import_document(documents.chain("reconnect", nodes))


@pytest.mark.parametrize("every", range(1, EVENTS + 1))
def test_a_stream_cut_after_every_nth_event_is_whole(cluster, app, shared_counting, every):
    """The run waits in its middle until the reader has been cut at least once, so both live news and the log are read."""
    name = f"every{every}"
    headers = {"Authorization": f"Bearer {app.api_key}"}
    body = {"inputs": {"query": name}, "response_mode": "streaming", "user": "reader"}
    with httpx.Client(headers=headers, timeout=60) as http:
        with http.stream("POST", cluster.webs[0].url + RUN, params={"event_ids": "true"}, json=body) as response:
            run_id = response.headers["X-Workflow-Run-ID"]
            messages = [next(parse(response.iter_raw()))]
        shared_counting.wait_until_called(name)
        messages += resume(cluster, http, run_id, messages[-1], every, lambda: shared_counting.release(name))

    assert [message.last_event_id for message in messages] == [str(number) for number in range(1, EVENTS + 1)]
    assert messages[0].json["event"] == "workflow_started"
    assert messages[-1].json["data"]["status"] == "succeeded"
    assert messages[-1].json["data"]["outputs"] == {"first": "a", "last": "b"}


def resume(cluster, http, run_id: str, last: Message, every: int, release) -> list[Message]:
    """The rest of the run, read from the instances in turn. The first connection already sees the run waiting."""
    urls = [f"{web.url}/v1/workflow/{run_id}/events?user=reader" for web in reversed(cluster.webs)]
    source = EventSource(http, urls, {})
    source.last_event_id = last.last_event_id
    messages = []
    for message in source.messages(drop_after=every):
        messages.append(message)
        if message.json["data"].get("node_id") == "hold" and message.json["event"] == "node_started":
            release()
    return messages


def test_a_reader_that_comes_late_gets_the_whole_run(cluster, app, shared_counting):
    shared_counting.release("late")
    with cluster.client(app, user="reader") as client:
        run_id = client.run({"query": "late"})["workflow_run_id"]
    with cluster.client(app, instance=1, user="reader") as client, client.events(run_id, include_state_snapshot="true") as events:
        names = [event["event"] for event in events]

    assert (len(names), names[0], names[-1]) == (EVENTS, "workflow_started", "workflow_finished")


def test_a_client_that_leaves_does_not_stop_its_run(cluster, app, shared_counting):
    with cluster.client(app, user="reader") as client:
        with client.open({"query": "gone"}) as events:
            run_id = next(events)["workflow_run_id"]
        shared_counting.wait_until_called("gone")
        shared_counting.release("gone")
        with client.events(run_id) as events:
            assert list(events)[-1]["data"]["status"] == "succeeded"
        assert client.detail(run_id)["status"] == "succeeded"


def test_a_blocking_client_that_leaves_does_not_stop_its_run(cluster, app, shared_counting):
    with cluster.client(app, user="impatient") as client:
        with pytest.raises(httpx.ReadTimeout):
            client.http.post(RUN, json={"inputs": {"query": "impatient"}, "user": "impatient"}, timeout=1.0)
        shared_counting.wait_until_called("impatient")
        listed = client.http.get("/v1/workflows/logs", params={"created_by_end_user_session_id": "impatient"}).json()
        shared_counting.release("impatient")
        with client.events(listed["data"][0]["workflow_run"]["id"]) as events:
            assert list(events)[-1]["data"]["status"] == "succeeded"
