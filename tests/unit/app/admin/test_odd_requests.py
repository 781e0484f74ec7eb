"""Odd values everywhere: whatever somebody sends, it is no mistake of the server's."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest

from tests.unit.app.admin.administering import TOKEN, Operator, hello, operated, text_of

#: Values that somebody's client may send by mistake, or on purpose.
ODD: list[Any] = [
    *(None, True, False, 0, -1, 1.5, 2**31, 2**63, 2**70, 1e308),
    *("", " ", "x", "null", "\0", "a\0b", "\n", "ü", "\u202e", "😀", "../..", "%00", "x" * 70, "x" * 300, "x" * 5000),
    *(
        "api",
        "workflow",
        "Hello",
        "current",
        "latest",
        "production",
        "@daily",
        "UTC",
        "http://x",
        "https://x.example/",
        "http://[",
        "true",
        "2020-01-01T00:00:00Z",
    ),
    *([], [None], [[]], ["x", "\0"], {}, {"": None}, {"x": {"y": "\0"}}, {"a\0": "b"}),
]

NAMES = [
    "name",
    "token",
    "value",
    "version",
    "url",
    "events",
    "kind",
    "document",
    "headers",
    "app",
    "inputs",
    "cron",
    "limit",
    "after",
    "status",
]


def paths(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, item in document["paths"].items():
        if path.startswith("/admin/"):
            for method in ("get", "post", "put", "patch", "delete"):
                if method in item:
                    yield method.upper(), path, item[method]


def fields_of(document: dict[str, Any], operation: dict[str, Any]) -> list[str]:
    """Names of the fields that the body of an operation has."""
    content = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
    schema = document["components"]["schemas"].get(content.get("$ref", "").rpartition("/")[2], {})
    return list(schema.get("properties", ())) or NAMES


class Sender:
    """Sends odd requests; the same ones for the same seed."""

    def __init__(self, operator: Operator, known: list[str], seed: int) -> None:
        self._operator = operator
        self._known = known
        self._random = random.Random(seed)
        self.document = operator.client.get("/openapi.json").json

    def send(self, method: str, path: str, operation: dict[str, Any]) -> Any:
        path = re.sub(r"\{(\w+)\}", lambda found: self._name(), path)
        query = {parameter["name"]: self._text() for parameter in operation.get("parameters", ()) if self._random.random() < 0.3}
        options: dict[str, Any] = {"query_string": query}
        if method != "GET":
            options |= self._body(operation)
        return self._operator.client.open(path, method=method, headers={"Authorization": f"Bearer {TOKEN}"}, **options)

    def _name(self) -> str:
        return quote(self._random.choice([*self._known, *self._known, self._text() or "x"]), safe="")

    def _text(self) -> str:
        value = self._random.choice(ODD)
        return value if isinstance(value, str) else json.dumps(value)

    def _body(self, operation: dict[str, Any]) -> dict[str, Any]:
        if self._random.random() < 0.1:
            kinds = ["application/json", "application/yaml", "text/plain", "multipart/form-data"]
            return {"data": self._text().encode(), "content_type": self._random.choice(kinds)}
        names = fields_of(self.document, operation)
        chosen = self._random.sample(names, self._random.randint(0, len(names)))
        return {"json": {name: self._random.choice(ODD) for name in chosen}}


@pytest.mark.parametrize("seed", range(3))
def test_no_request_is_a_mistake_of_the_server(seed: int):
    with operated() as operator:
        made = operator.import_app(hello())
        app = made["app_id"]
        schedule = operator.post(f"/apps/{app}/schedules", json={"cron": "@daily", "inputs": {"q": "x"}}).json["id"]
        sender = Sender(operator, [app, made["workflow_id"], schedule, "Hello", "production"], seed)
        operations = list(paths(sender.document))

        for _ in range(8):
            for method, path, operation in operations:
                if (method, path) == ("DELETE", "/admin/v1/apps/{app}"):
                    continue
                answer = sender.send(method, path, operation)
                assert answer.status_code < 500, (method, answer.request.path, answer.text)
                if answer.status_code >= 400:
                    assert answer.json["status"] == answer.status_code

        assert operator.get(f"/apps/{app}")["name"] == "Hello"
        assert operator.post("/documents/check", data=text_of(hello()), content_type="application/yaml").json["is_runnable"]
