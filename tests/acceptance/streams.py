"""Whole streams with event ids, read in the background while a test does harm."""

from __future__ import annotations

from collections import Counter
from typing import Any

import httpx

from tests.services.client import RUN, Client
from tests.services.penstock import ImportedApp
from tests.services.sse import Message, parse


def read_stream(url: str, app: ImportedApp, query: str = "") -> list[Message]:
    """A run with one input, from its first event to the end of its stream. Raises ``httpx.HTTPStatusError`` if it is refused."""
    body = {"inputs": {"query": query}, "response_mode": "streaming", "user": "tester"}
    headers = {"Authorization": f"Bearer {app.api_key}"}
    with (
        httpx.Client(headers=headers, timeout=120) as http,
        http.stream("POST", url + RUN, params={"event_ids": "true"}, json=body) as response,
    ):
        response.raise_for_status()
        return list(parse(response.iter_raw()))


def run_of(messages: list[Message]) -> str:
    run_id: str = messages[0].json["workflow_run_id"]
    return run_id


def check_whole(messages: list[Message], nodes: list[str], outputs: dict[str, Any], url: str, app: ImportedApp) -> None:
    """The reader saw one run that succeeded, each event once and in order; the record says the same."""
    events = [message.json for message in messages]
    assert [message.last_event_id for message in messages] == [str(number) for number in range(1, len(messages) + 1)]
    assert events[0]["event"] == "workflow_started"
    assert (events[-1]["event"], events[-1]["data"]["status"]) == ("workflow_finished", "succeeded")
    assert node_events(events) == Counter((kind, node) for kind in ("node_started", "node_finished") for node in nodes)
    with Client(url, app.api_key) as client:
        record = client.detail(run_of(messages))
    assert (record["status"], record["outputs"], record["total_steps"]) == ("succeeded", outputs, len(nodes))


def node_events(events: list[dict[str, Any]]) -> Counter[tuple[str, str]]:
    return Counter((event["event"], event["data"]["node_id"]) for event in events if event["event"].startswith("node_"))
