"""`api-examples.json`: its cases, and the server state that they are sent to."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.services import documents
from tests.services.client import Client
from tests.services.counting import CountingServer
from tests.services.penstock import ImportedApp, Server

EXAMPLES = json.loads((Path(__file__).resolve().parents[1] / "data" / "api-examples.json").read_text("utf-8"))

SPEECH = {
    "text_to_speech": {"enabled": True, "voice": "alloy", "language": "en-US", "autoPlay": "enabled"},
    "speech_to_text": {"enabled": True},
}

#: The `user` of the examples.
USER = "abc-123"


def cases(kind: str, without: set[str] | None = None) -> list[Any]:
    """Parameters of a test, named as the cases are."""
    return [pytest.param(case, id=case["name"]) for case in EXAMPLES[kind] if case["name"] not in (without or set())]


def find_case(kind: str, name: str) -> dict[str, Any]:
    found: dict[str, Any] = next(case for case in EXAMPLES[kind] if case["name"] == name)
    return found


def read_events(body: str) -> Iterator[dict[str, Any]]:
    for frame in body.split("\n\n"):
        if frame.startswith("data: "):
            yield json.loads(frame.removeprefix("data: "))


@dataclass(frozen=True, slots=True)
class Scene:
    server: Server
    counting: CountingServer
    apps: dict[str, ImportedApp]
    #: A finished run, and one that waits.
    run: dict[str, Any]
    waiting: dict[str, Any]
    foreign_file_id: str

    def client(self, app: str = "hello") -> Client:
        return self.server.client(self.apps[app], USER)


def scene_documents(counting: CountingServer) -> dict[str, documents.Document]:
    query = documents.start(documents.variable("query", required=True, max_length=100))
    fails = documents.code("fails", "def main():\n    raise ValueError('no')", {"x": "string"})
    handled = {"error_strategy": "default-value", "default_value": [{"key": "x", "type": "string", "value": "instead"}]}
    handles = documents.code("handles", "def main():\n    raise ValueError('no')", {"x": "string"}, **handled)
    waits = documents.http_get("waits", f"{counting.url}/hold/{{{{#start.query#}}}}")
    retried = documents.http_get(
        "retried",
        "http://127.0.0.1:1/",
        retry_config={"retry_enabled": True, "max_retries": 1, "retry_interval": 100},
        error_strategy="default-value",
        default_value=[],
    )
    asks = documents.human_input("ask", "{{#start.query#}}?", "feedback", actions=("approve", "reject"))
    late = documents.human_input("ask", "{{#start.query#}}?", timeout=0.1 / 3600)
    return {
        "contains": containers(query),
        "asks": documents.workflow("asks", [query, asks, documents.end()], [("start", "ask"), ("ask", "end", "approve")]),
        "late": documents.workflow("late", [query, late, documents.end()], [("start", "ask"), ("ask", "end", "__timeout")]),
        "speaks": documents.workflow("speaks", [query, documents.end(text=["start", "query"])], [("start", "end")], **SPEECH),
        "hello": documents.chain("hello", [query, documents.end(text=["start", "query"])]),
        "fails": documents.chain("fails", [query, fails, documents.end(x=["fails", "x"])]),
        "handles": documents.chain("handles", [query, handles, documents.end(x=["handles", "x"])]),
        "waits": documents.chain("waits", [query, waits, documents.end(body=["waits", "body"])]),
        "retried": documents.chain("retried", [query, retried, documents.end(q=["start", "query"])]),
        **{
            name: documents.chain(name, [query, documents.end()])
            for name in ("foreign", "disabled", "chat", "unpublished", "alien", "unreadable")
        },
    }


def containers(query: documents.Node) -> documents.Document:
    """An iteration of two rounds, then a loop of two."""
    listed = documents.code("listed", "def main():\n    return {'items': ['a', 'b']}", {"items": "array[string]"})
    item = documents.template("item", "{{ x }}", x=["each", "item"])
    again = documents.template("again", "x", q=["start", "query"])
    nodes = [query, listed, *documents.iteration("each", ["listed", "items"], item), *documents.loop("repeat", 2, again)]
    edges: list[documents.Edge] = [("start", "listed"), ("listed", "each"), ("each", "repeat"), ("repeat", "end")]
    inner = [documents.container_edge("each", item), documents.container_edge("repeat", again)]
    return documents.workflow("contains", [*nodes, documents.end(items=["each", "output"])], [*edges, *inner])


@contextmanager
def prepared(server: Server, counting: CountingServer) -> Iterator[Scene]:
    """The apps of the examples, in the states that they need, with a finished and a waiting run."""
    made = scene_documents(counting)
    apps = dict(zip(made, server.import_documents(list(made.values())), strict=True))
    server.alter_app(apps["disabled"], "api_enabled", False)
    server.alter_app(apps["chat"], "mode", "advanced-chat")
    server.alter_app(apps["unpublished"], "workflow_id", None)
    server.alter_document(apps["alien"], lambda text: text.replace('"end"', '"teleport"'))
    server.alter_document(apps["unreadable"], lambda text: "{")
    with (
        server.client(apps["hello"], USER) as hello,
        server.client(apps["foreign"]) as foreign,
        server.client(apps["waits"], USER) as waits,
    ):
        run = hello.run({"query": "hello"})
        file_id = foreign.upload("a.txt", b"x", "text/plain")["id"]
        with waits.open({"query": "scene"}) as events:
            yield Scene(server, counting, apps, run, next(events), file_id)
            counting.release("scene")
