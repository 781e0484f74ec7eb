"""Answers of models through the whole product: token by token, paid for, and stopped (nodes.md section 6.4)."""

from __future__ import annotations

import time

import httpx
import pytest

from tests.services import documents
from tests.services.models import DevModel
from tests.services.penstock import ImportedApp, Server

#: The promise is one second; see tests/faults/test_stops.py.
WITHIN_S = 3.0


@pytest.fixture(scope="module")
def app(server: Server) -> ImportedApp:
    return server.import_document(documents.asking("asking"))


def test_tokens_arrive_as_the_model_sends_them(server, app):
    """Each in an event of its own; how soon is measured by `./deploy/bench runs`."""
    texts = []
    with server.client(app) as client, client.open({"query": "[[dev: tokens=40 delay_ms=20 clock]]"}) as events:
        for event in events:
            if event["event"] == "text_chunk" and event["data"]["text"]:
                texts.append(event["data"]["text"])
                assert event["data"]["from_variable_selector"] == ["ask", "text"]
            last = event
    assert (last["data"]["status"], last["data"]["outputs"]["answer"]) == ("succeeded", "".join(texts))
    assert len(texts) == 40


def test_usage_is_told_by_the_node_and_summed_by_the_run(server, app):
    with server.client(app) as client:
        events = client.stream({"query": "[[dev: prompt_tokens=1000 completion_tokens=100]]"})
    node = next(event["data"] for event in events if event["event"] == "node_finished" and event["data"]["node_type"] == "llm")
    assert (node["outputs"]["usage"]["total_tokens"], node["outputs"]["usage"]["total_price"]) == (1100, "0.0035000")
    assert (node["execution_metadata"]["total_tokens"], events[-1]["data"]["total_tokens"]) == (1100, 1100)


def test_a_stop_hangs_up_on_the_model(server, app, shared_dev_model: DevModel):
    shared_dev_model.forget()
    with server.client(app) as client, client.open({"query": "[[dev: tokens=100000 delay_ms=20]]"}) as events:
        first = next(event for event in events if event["event"] == "text_chunk")
        asked_at = time.monotonic()
        client.stop(first["task_id"])
        shared_dev_model.wait_for_calls("hung up", timeout_s=WITHIN_S)
        *_, last = events
        took_s = time.monotonic() - asked_at
    assert (last["event"], last["data"]["status"]) == ("workflow_finished", "stopped")
    assert took_s < WITHIN_S


def test_a_failing_model_fails_the_run_with_its_words(server, app):
    with server.client(app) as client:
        finished = client.run({"query": '[[dev: status=401 message="No such key."]]'})
    assert (finished["data"]["status"], finished["data"]["error"]) == ("failed", "[openai] No such key.")


def test_thoughts_are_told_apart(server):
    app = server.import_document(documents.asking("thinking", reasoning_format="separated"))
    with server.client(app) as client:
        events = client.stream({"query": '[[dev: think="hm hm" text="Yes."]]'})
    thoughts = [event["data"] for event in events if event["event"] == "reasoning_chunk"]
    assert ("".join(thought["reasoning"] for thought in thoughts).strip(), thoughts[-1]["is_final"]) == ("hm hm", True)
    assert "".join(event["data"]["text"] for event in events if event["event"] == "text_chunk") == "Yes."
    assert events[-1]["data"]["outputs"] == {"answer": "Yes."}


def test_pictures_of_a_model_are_files_of_the_run(server):
    document = documents.asking("drawing")
    end = document["workflow"]["graph"]["nodes"][-1]
    end["data"]["outputs"].append({"variable": "pictures", "value_selector": ["ask", "files"]})
    app = server.import_document(document)
    with server.client(app) as client:
        events = client.stream({"query": '[[dev: text="Look." images=2]]'})
    last = events[-1]["data"]
    pictures = last["outputs"]["pictures"]

    assert [picture["mime_type"] for picture in pictures] == ["image/png", "image/png"]
    assert [file["related_id"] for file in last["files"]] == [picture["related_id"] for picture in pictures]
    assert last["outputs"]["answer"].startswith(f"Look.![{pictures[0]['filename']}](")
    assert "".join(event["data"]["text"] for event in events if event["event"] == "text_chunk").startswith(last["outputs"]["answer"])
    for picture in pictures:
        assert httpx.get(picture["url"]).raise_for_status().content.startswith(b"\x89PNG")
