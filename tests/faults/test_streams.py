"""Streams can be resumed anywhere (reliability.md section 1.6)."""

from __future__ import annotations

from contextlib import AbstractContextManager

import httpx
import pytest

from tests.faults.harness import kinds
from tests.faults.harness.audience import check
from tests.faults.harness.beside import repeated
from tests.faults.harness.kinds import Kind
from tests.services import documents
from tests.services.client import RUN
from tests.services.sse import EventSource, Message, parse

STREAMS = 200

NODES = [f"n{number}" for number in range(1, 11)]

#: Words of a model's answer, and so events of its run.
WORDS = 5000


@pytest.fixture(scope="module")
def settings(shared_dev_model):
    """Each worker has room for all runs of the largest test."""
    return {**shared_dev_model.settings, "PENSTOCK_WORKER_CONCURRENCY": str(STREAMS)}


@pytest.fixture
def pair(stage):
    """Two instances and two workers; calls wait for the test."""
    stage.counting.reset()
    stage.staff(webs=2, workers=2)
    return stage


# ---- many at a time


def test_each_of_200_concurrent_streams_over_two_instances_is_whole(pair, audience):
    """The runs meet in the middle, so that all of them are under way at the same time."""
    kind = meeting(pair.counting.url)
    app = pair.deployment.import_document(kind.document)
    streams = audience.follow(app, *(f"run {number}" for number in range(STREAMS)))
    pair.counting.wait_until_called("meeting", times=STREAMS)
    pair.counting.release("meeting")
    seen = check(streams, kind)

    started = [followed.messages[0].json for followed in seen]
    assert len({event["workflow_run_id"] for event in started}) == STREAMS
    assert len({event["data"]["sequence_number"] for event in started}) == STREAMS
    assert pair.counting.calls() == {"meeting": STREAMS}
    assert {followed.streams for followed in seen} == {1}


def meeting(url: str) -> Kind:
    which = documents.if_else("which", documents.condition(["shout", "output"], "contains", "RUN"))
    nodes = [
        kinds.QUERY,
        documents.template("shout", "{{ query | upper }}", query=["start", "query"]),
        which,
        documents.http_get("hold", f"{url}/hold/meeting"),
        documents.end(text=["shout", "output"], body=["hold", "body"]),
    ]
    edges = [("start", "shout"), ("shout", "which"), ("which", "hold", "true"), ("hold", "end")]
    executions = dict.fromkeys(["start", "shout", "which", "hold", "end"], 1)
    document = documents.workflow("meeting", nodes, edges)
    return Kind("meeting", document, lambda query, _: {"text": query.upper(), "body": "meeting"}, executions)


# ---- cut and taken up again

#: Two events for each node, one for the run's start and one for its end, and three chunks of text: two outputs and a line break between.
CUT_NODES = ["start", "first", "hold", "last", "end"]
EVENTS = 2 * len(CUT_NODES) + 5


@pytest.fixture(scope="module")
def cut_app(stage):
    nodes = [
        kinds.QUERY,
        documents.template("first", "a", q=["start", "query"]),
        documents.http_get("hold", f"{stage.counting.url}/hold/{{{{#start.query#}}}}"),
        documents.template("last", "b", q=["start", "query"]),
        documents.end(first=["first", "output"], last=["last", "output"]),
    ]
    return stage.deployment.import_document(documents.chain("cut", nodes))


@pytest.mark.parametrize("every", range(1, EVENTS + 1))
def test_a_stream_cut_after_every_nth_event_is_whole(pair, cut_app, every):
    """The run waits in its middle until the reader has been cut at least once, so both live news and the log are read."""
    name = f"every{every}"
    headers = {"Authorization": f"Bearer {cut_app.api_key}"}
    body = {"inputs": {"query": name}, "response_mode": "streaming", "user": "reader"}
    with httpx.Client(headers=headers, timeout=60) as http:
        with http.stream("POST", pair.urls()[0] + RUN, params={"event_ids": "true"}, json=body) as response:
            run_id = response.headers["X-Workflow-Run-ID"]
            messages = [next(parse(response.iter_raw()))]
        pair.counting.wait_until_called(name)
        messages += resume(pair, http, run_id, messages[-1], every, name)

    assert [message.last_event_id for message in messages] == [str(number) for number in range(1, EVENTS + 1)]
    assert messages[0].json["event"] == "workflow_started"
    assert messages[-1].json["data"]["status"] == "succeeded"
    assert messages[-1].json["data"]["outputs"] == {"first": "a", "last": "b"}


def resume(pair, http: httpx.Client, run_id: str, last: Message, every: int, name: str) -> list[Message]:
    """The rest of the run, read from the instances in turn. The first connection already sees the run waiting."""
    source = EventSource(http, [f"{url}/v1/workflow/{run_id}/events?user=reader" for url in reversed(pair.urls())], {})
    source.last_event_id = last.last_event_id
    messages = []
    for message in source.messages(drop_after=every):
        messages.append(message)
        if message.json["data"].get("node_id") == "hold" and message.json["event"] == "node_started":
            pair.counting.release(name)
    return messages


def test_streams_of_an_instance_that_is_killed_go_on_at_another_from_any_point(stage, audience):
    """Ten runs, the nth of which is in its nth node."""
    stage.staff(webs=1, workers=1)
    chains = [kinds.gated(f"killed-{node}", stage.counting.url, NODES, held=node) for node in NODES]
    apps = stage.deployment.import_documents([chain.document for chain in chains])
    streams = [audience.follow(app, f"at-{node}") for app, node in zip(apps, NODES, strict=True)]
    for node in NODES:
        stage.counting.wait_until_called(f"at-{node}:{node}")
    stage.add_web()
    stage.kill_web(stage.webs[0])
    for node in NODES:
        stage.counting.release(f"at-{node}:{node}")

    for chain, stream in zip(chains, streams, strict=True):
        (seen,) = check(stream, chain)
        assert seen.streams == 2
    assert set(stage.counting.calls().values()) == {1}


# ---- Redis lets its readers down


def test_subscribers_that_redis_drops_again_and_again_miss_nothing(pair, audience, dev_model):
    """A run of 5,000 events, read by five, and then once more when Redis has forgotten it."""
    kind = telling()
    app = pair.deployment.import_document(kind.document)
    with dropped_subscribers(pair):
        (stream,) = audience.follow(app, "tell")
        dev_model.wait_for_calls("open")
        ((run_id, _),) = pair.under_way().items()
        others = [audience.join(app, "tell", run_id, user="client 1") for _ in range(4)]
        (seen,) = check([stream], kind)
        late = check(others, kind)
    pair.valkey.flush()

    assert len(seen.messages) > WORDS
    assert all(followed.messages == seen.messages for followed in late)
    assert audience.read_again(app, seen) == seen.messages


def telling() -> Kind:
    text = " ".join(f"word{number}" for number in range(WORDS))
    model = {"provider": "openai", "name": "dev", "mode": "chat", "completion_params": {}}
    prompt = [{"role": "user", "text": f'[[dev: text="{text}" delay_ms=0.5]]'}]
    ask = documents.node("ask", "llm", model=model, prompt_template=prompt, context={"enabled": False}, vision={"enabled": False})
    document = documents.chain("telling", [kinds.QUERY, ask, documents.end(answer=["ask", "text"])])
    return Kind("telling", document, lambda *_: {"answer": text}, dict.fromkeys(["start", "ask", "end"], 1), spoken="answer")


def dropped_subscribers(pair) -> AbstractContextManager[None]:
    """`CLIENT KILL TYPE pubsub`, several times a second, until the end of the block."""
    return repeated(pair.valkey.drop_subscribers, 0.3)


# ---- readers come and go


@pytest.fixture(scope="module")
def kind(stage):
    return kinds.gated("gated", stage.counting.url, ["gate"], held="gate")


@pytest.fixture(scope="module")
def app(stage, kind):
    return stage.deployment.import_document(kind.document)


def test_a_reader_that_comes_late_gets_the_whole_run(pair, app, kind, audience):
    pair.counting.release("late:gate")
    (called,) = check(audience.follow(app, "late", is_streaming=False), kind)

    check([audience.join(app, "late", called.run_id, called.user)], kind)


def test_a_client_that_leaves_does_not_stop_its_run(pair, app, audience):
    run_id = audience.submit(app, "gone")
    pair.counting.wait_until_called("gone:gate")
    pair.counting.release("gone:gate")

    pair.wait_until_ended([run_id])
    assert pair.counting.calls() == {"gone:gate": 1}


def test_a_blocking_client_that_leaves_does_not_stop_its_run(pair, app):
    with pair.client(app, user="impatient") as client:
        with pytest.raises(httpx.ReadTimeout):
            client.http.post(RUN, json={"inputs": {"query": "impatient"}, "user": "impatient"}, timeout=1.0)
        pair.counting.wait_until_called("impatient:gate")
        listed = client.http.get("/v1/workflows/logs", params={"created_by_end_user_session_id": "impatient"}).json()
        pair.counting.release("impatient:gate")
        with client.events(listed["data"][0]["workflow_run"]["id"]) as events:
            assert list(events)[-1]["data"]["status"] == "succeeded"
