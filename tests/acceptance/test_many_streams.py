"""Many streams at a time over several processes: every client sees its whole run, once and in order."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import httpx
import pytest

from tests.services import documents
from tests.services.client import RUN
from tests.services.penstock import ImportedApp
from tests.services.sse import Message, Parser

STREAMS = 200

NODES = ["start", "shout", "which", "hold", "end"]


@pytest.fixture
def gated(cluster, counting) -> ImportedApp:
    """Its runs meet at a gate in the middle, so that all of them are under way at the same time."""
    query = documents.start(documents.variable("query", required=True))
    shout = documents.template("shout", "{{ query | upper }}", query=["start", "query"])
    case = {"id": "c", "variable_selector": ["shout", "output"], "comparison_operator": "contains", "value": "RUN", "varType": "string"}
    which = documents.node("which", "if-else", cases=[{"case_id": "true", "logical_operator": "and", "conditions": [case]}])
    hold = documents.http_get("hold", f"{counting.url}/hold/gate")
    nodes = [query, shout, which, hold, documents.end(text=["shout", "output"], body=["hold", "body"])]
    edges = [("start", "shout"), ("shout", "which"), ("which", "hold", "true"), ("hold", "end")]
    return cluster.deployment.import_document(documents.workflow("gated", nodes, edges))


async def read_run(client: httpx.AsyncClient, url: str, number: int) -> list[Message]:
    body = {"inputs": {"query": f"run {number}"}, "response_mode": "streaming", "user": f"user {number}"}
    parser = Parser()
    messages: list[Message] = []
    async with client.stream("POST", url, params={"event_ids": "true"}, json=body) as response:
        assert response.status_code == 200, await response.aread()
        async for piece in response.aiter_raw():
            messages += parser.feed(piece)
    return messages


async def read_runs(urls: list[str], api_key: str, counting: Any) -> list[list[Message]]:
    limits = httpx.Limits(max_connections=STREAMS)
    headers = {"Authorization": f"Bearer {api_key}"}
    async with httpx.AsyncClient(headers=headers, limits=limits, timeout=120) as client:
        gate = asyncio.create_task(asyncio.to_thread(open_gate, counting))
        runs = await asyncio.gather(*(read_run(client, urls[number % len(urls)] + RUN, number) for number in range(STREAMS)))
        await gate
    return runs


def open_gate(counting: Any) -> None:
    """Let the runs go on when all of them have arrived."""
    counting.wait_until_called("gate", times=STREAMS, timeout_s=120)
    counting.release("gate")


def test_each_of_200_concurrent_streams_is_whole(cluster, gated, counting):
    runs = asyncio.run(read_runs([web.url for web in cluster.webs], gated.api_key, counting))

    assert len(runs) == STREAMS
    for number, messages in enumerate(runs):
        events = [message.json for message in messages]
        assert events[0]["event"] == "workflow_started"
        assert events[-1]["event"] == "workflow_finished"
        assert events[-1]["data"]["status"] == "succeeded"
        assert events[-1]["data"]["outputs"] == {"text": f"RUN {number}", "body": "gate"}
        assert [message.last_event_id for message in messages] == [str(n) for n in range(1, len(messages) + 1)]
        assert Counter((event["event"], event["data"].get("node_id")) for event in events if event["event"] != "text_chunk") == Counter(
            [("workflow_started", None), ("workflow_finished", None)]
            + [(kind, node) for kind in ("node_started", "node_finished") for node in NODES]
        )
    started = [messages[0].json for messages in runs]
    assert len({event["workflow_run_id"] for event in started}) == STREAMS
    assert len({event["data"]["sequence_number"] for event in started}) == STREAMS
    assert counting.calls() == {"gate": STREAMS}
