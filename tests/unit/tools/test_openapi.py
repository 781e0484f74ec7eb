import json
from collections.abc import Iterator

import pytest

from tests.unit.nodes.tooling import World
from tests.unit.outbound.web import WebServer
from worker.engine.errors import NodeError
from worker.engine.tool_values import prepare
from worker.engine.tools import BlobMessage, JSONMessage, TextMessage
from worker.outbound.client import GuardedClient
from worker.tools.openapi import DescriptionError, operations_of

DOCUMENT = {
    "openapi": "3.1.0",
    "servers": [{"url": "https://api.example/v1"}],
    "paths": {
        "/items/{id}": {
            "parameters": [{"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}],
            "get": {
                "operationId": "getItem",
                "summary": "Gets an item.",
                "parameters": [
                    {"$ref": "#/components/parameters/Limit"},
                    {"name": "tag", "in": "query", "schema": {"type": "array", "items": {"type": "string"}}},
                    {"name": "X-Trace", "in": "header", "schema": {"type": "string"}},
                    {"name": "session", "in": "cookie", "schema": {"type": "string"}},
                ],
            },
            "delete": {},
        },
        "/items": {
            "post": {
                "operationId": "addItem",
                "description": "Adds an item.",
                "requestBody": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Item"}}}},
            }
        },
        "/login": {
            "post": {
                "operationId": "login",
                "requestBody": {"content": {"application/x-www-form-urlencoded": {"schema": {"properties": {"user": {"type": "string"}}}}}},
            }
        },
    },
    "components": {
        "parameters": {"Limit": {"name": "limit", "in": "query", "description": "How many", "schema": {"type": "integer", "default": 5}}},
        "schemas": {
            "Item": {
                "required": ["name"],
                "properties": {"name": {"type": "string"}, "size": {"type": "number"}, "kind": {"enum": ["a", "b"]}},
            }
        },
    },
}


@pytest.fixture
def web() -> Iterator[WebServer]:
    with WebServer() as server:
        yield server


@pytest.fixture
def world() -> Iterator[World]:
    client = GuardedClient(("127.0.0.1/32",))
    yield World(http=client)
    client.close()


def call(world, web, operation_id, headers=None, /, **given):
    operation = operations_of(DOCUMENT, f"{web.url}/v1", headers)[operation_id]
    return list(operation.invoke(prepare(operation.parameters, given), world.context))


def test_operations_are_tools_with_the_parameters_that_they_declare():
    operations = operations_of(DOCUMENT)
    get, add = operations["getItem"], operations["addItem"]

    assert list(operations) == ["getItem", "itemsid_delete", "addItem", "login"]
    assert (get.description, get.url) == ("Gets an item.", "https://api.example/v1/items/{id}")
    assert [(item.name, item.type, item.required, item.default) for item in get.parameters] == [
        ("id", "string", True, None),
        ("limit", "number", False, 5),
        ("tag", "array", False, None),
        ("X-Trace", "string", False, None),
        ("session", "string", False, None),
    ]
    assert [(item.name, item.type, item.required, item.options) for item in add.parameters] == [
        ("name", "string", True, ()),
        ("size", "number", False, ()),
        ("kind", "string", False, ("a", "b")),
    ]


def test_parameters_go_to_their_places(world, web):
    web.routes["/v1/items/a%2Fb"] = lambda seen, answer: answer.send(b'{"ok": true}', content_type="application/json")
    given = {"id": "a/b", "tag": '["x", "y"]', "X-Trace": "t", "session": "s s"}
    messages = call(world, web, "getItem", {"Authorization": "Bearer key"}, **given)

    seen = web.seen[0]
    assert seen.target == "/v1/items/a%2Fb?limit=5&tag=x&tag=y"
    assert (seen.headers["x-trace"], seen.headers["cookie"], seen.headers["authorization"]) == ("t", "session=s%20s", "Bearer key")
    assert messages == [JSONMessage({"ok": True}), TextMessage('{"ok": true}')]


def test_bodies_are_json_or_a_form(world, web):
    web.routes["/v1/items"] = lambda seen, answer: answer.send(b"[1]", content_type="application/json")
    web.routes["/v1/login"] = lambda seen, answer: answer.send(b"welcome", content_type="text/plain")

    assert call(world, web, "addItem", name="é", size="2") == [TextMessage("[1]")]
    assert call(world, web, "login", user="a b") == [TextMessage("welcome")]
    first, second = web.seen
    assert (json.loads(first.body), first.headers["content-type"]) == ({"name": "é", "size": 2}, "application/json")
    assert (second.body, second.headers["content-type"]) == (b"user=a+b", "application/x-www-form-urlencoded")


def test_pictures_come_as_files(world, web):
    web.routes["/v1/items"] = lambda seen, answer: answer.send(b"\x89PNG", content_type="image/png")

    assert call(world, web, "addItem", name="x") == [BlobMessage(b"\x89PNG", "image/png", ".png")]


def test_a_failure_tells_what_the_api_said_but_no_credential(world, web):
    web.routes["/v1/items"] = lambda seen, answer: answer.send(seen.headers["authorization"].encode(), 401)
    with pytest.raises(NodeError) as caught:
        call(world, web, "addItem", {"Authorization": "Bearer secret-key"}, name="x")

    assert caught.value.message == "Request failed with status code 401 and Bearer************ey"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"paths": {}}, "has no paths"),
        ({"paths": {"/x": {}}}, "has no operation"),
        ({"servers": []}, "give one with --server"),
        ({"servers": [{"url": "/v1"}]}, "give one with --server"),
        ({"components": {}}, "has no #/components/parameters/Limit"),
        ({"paths": {"/x": {"get": {"parameters": ["x"]}}}}, "has a str where it needs a mapping"),
        ({"paths": {"/x": {"post": {"requestBody": {"content": {"application/xml": {}}}}}}}, "not application/xml"),
        ({"paths": {"/x": {"$ref": "#/paths/~1x"}}}, "lead in a circle"),
    ],
)
def test_what_cannot_be_used_is_said(change, reason):
    with pytest.raises(DescriptionError, match=reason):
        operations_of({**DOCUMENT, **change})
