"""Keys, environment variables, providers and webhooks."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from tests.unit.app.admin.administering import Operator, hello, operated, refusal
from tests.unit.app.serving import Caller
from worker.store.sealing import Sealing
from worker.store.webhooks import EVENTS

API: dict[str, Any] = {
    "openapi": "3.0.0",
    "info": {"title": "Search", "version": "1"},
    "servers": [{"url": "https://search.example/v1"}],
    "paths": {"/find": {"get": {"operationId": "find", "parameters": [{"name": "q", "in": "query", "schema": {"type": "string"}}]}}},
}

VARIABLES = [
    {"name": "API_KEY", "value": "", "value_type": "secret"},
    {"name": "RETRIES", "value": 3, "value_type": "number"},
    {"name": "CITY", "value": "Lima", "value_type": "string"},
]


def with_variables() -> dict[str, Any]:
    document = hello()
    document["workflow"]["environment_variables"] = VARIABLES
    return document


# Keys


def test_a_key_is_shown_once_listed_and_revoked(operator: Operator, app_id: str):
    made = operator.post(f"/apps/{app_id}/keys", json={"name": "second"})
    token = made.json["api_key"]
    caller = Caller(operator.service, app_id, token)

    assert (made.status_code, made.json["name"], made.json["app_id"]) == (201, "second", app_id)
    assert caller.get("/v1/info").status_code == 200
    listed = operator.get(f"/apps/{app_id}/keys")["data"]
    assert [key["name"] for key in listed] == ["", "second"]
    assert listed[1]["prefix"] == token[:8]
    assert listed[1]["revoked_at"] is None
    revoked = operator.delete(f"/apps/{app_id}/keys/{made.json['id']}")
    assert (revoked.status_code, revoked.json["id"]) == (200, made.json["id"])
    assert isinstance(revoked.json["revoked_at"], int)
    assert caller.get("/v1/info").status_code == 401
    assert operator.delete(f"/apps/{app_id}/keys/{made.json['id']}").status_code == 404


def test_keys_are_paged(operator: Operator, app_id: str):
    for number in range(3):
        operator.post(f"/apps/{app_id}/keys", json={"name": str(number)})

    first = operator.get(f"/apps/{app_id}/keys", limit=2)
    second = operator.get(f"/apps/{app_id}/keys", limit=2, after=first["next"])

    assert len({key["id"] for key in first["data"] + second["data"]}) == 4
    assert not second["has_more"]


def test_a_key_that_clients_have_already_is_taken_over_once(operator: Operator, app_id: str):
    token = f"app-mine-{uuid.uuid4().hex}"
    other = operator.import_app()["app_id"]

    assert operator.post(f"/apps/{app_id}/keys", json={"token": token}).json["api_key"] == token
    assert Caller(operator.service, app_id, token).get("/v1/info").status_code == 200
    assert refusal(operator.post(f"/apps/{other}/keys", json={"token": token})) == (400, "invalid_param", "token")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"token": "short"}, "token"),
        ({"token": "schlüssel-123"}, "token"),
        ({"token": " app-blank "}, "token"),
        ({"name": 5}, "name"),
        ({"nmae": ""}, "nmae"),
    ],
)
def test_the_order_of_a_key_is_checked(operator: Operator, app_id: str, body: dict, field: str):
    answer = operator.post(f"/apps/{app_id}/keys", json=body)

    assert refusal(answer) == (400, "invalid_param", field)
    assert len(operator.get(f"/apps/{app_id}/keys")["data"]) == 1


def test_only_the_id_of_a_key_revokes_it_and_only_in_its_app(operator: Operator, app_id: str):
    key = operator.get(f"/apps/{app_id}/keys")["data"][0]
    other = operator.import_app()["app_id"]

    for name in (key["prefix"], "nothing", str(uuid.uuid4())):
        assert refusal(operator.delete(f"/apps/{app_id}/keys/{name}")) == (404, "not_found", "")
    assert operator.delete(f"/apps/{other}/keys/{key['id']}").status_code == 404
    assert operator.get(f"/apps/{app_id}/keys")["data"][0]["revoked_at"] is None


# Environment


@pytest.fixture
def caller_id(operator: Operator) -> str:
    return str(operator.import_app(with_variables())["app_id"])


def states(operator: Operator, app_id: str) -> dict[str, str]:
    return {row["name"]: row["state"] for row in operator.get(f"/apps/{app_id}/environment")["data"]}


def test_a_value_is_set_listed_and_unset(operator: Operator, caller_id: str):
    assert states(operator, caller_id) == {"API_KEY": "missing", "RETRIES": "document", "CITY": "document"}

    for name, value in (("API_KEY", "s3cret"), ("RETRIES", "5"), ("API_KEY", "s3cret")):
        assert operator.put(f"/apps/{caller_id}/environment/{name}", json={"value": value}).status_code == 204

    assert states(operator, caller_id) == {"API_KEY": "set", "RETRIES": "set", "CITY": "document"}
    assert operator.delete(f"/apps/{caller_id}/environment/API_KEY").status_code == 204
    assert states(operator, caller_id)["API_KEY"] == "missing"
    assert operator.delete(f"/apps/{caller_id}/environment/API_KEY").status_code == 404


@pytest.mark.parametrize(
    ("name", "body", "wanted"),
    [
        ("API_KEY", {"value": ""}, (400, "invalid_param", "")),
        ("API_KEY", {}, (400, "invalid_param", "value")),
        ("API_KEY", {"value": 5}, (400, "invalid_param", "value")),
        ("API_KEY", {"value": "nul\0"}, (400, "invalid_param", "value")),
        ("API_KEY", {"value": "x", "secret": "y"}, (400, "invalid_param", "secret")),
        ("RETRIES", {"value": "many"}, (400, "invalid_param", "")),
        ("NOTHING", {"value": "x"}, (404, "not_found", "")),
        ("a/b", {"value": "x"}, (404, "not_found", "")),
        ("nul%00", {"value": "x"}, (404, "not_found", "")),
    ],
)
def test_values_are_checked(operator: Operator, caller_id: str, name: str, body: dict, wanted: tuple):
    answer = operator.put(f"/apps/{caller_id}/environment/{name}", json=body)

    assert refusal(answer) == wanted
    assert "s3cret" not in answer.text
    assert states(operator, caller_id)["API_KEY"] == "missing"


def test_a_value_that_is_too_large_is_refused(operator: Operator, caller_id: str):
    for size in (300_000, 2_000_000):
        assert operator.put(f"/apps/{caller_id}/environment/CITY", json={"value": "x" * size}).status_code == 400


def test_without_a_key_nothing_can_be_kept_secret():
    with operated(secret_key="") as operator:
        app_id = operator.import_app(with_variables())["app_id"]

        asked = [
            operator.put(f"/apps/{app_id}/environment/API_KEY", json={"value": "s3cret"}),
            operator.put("/model-providers/openai", json={"api_key": "s3cret"}),
            operator.put("/tool-providers/search", json={"kind": "api", "document": API, "headers": {"X-Key": "s3cret"}}),
            operator.post(f"/apps/{app_id}/webhooks", json={"url": "https://receiver.example/"}),
        ]

        assert [refusal(answer)[:2] for answer in asked] == [(409, "secrets_not_sealed")] * 4
        assert operator.get("/tool-providers")["data"] == []
        assert operator.get("/webhooks")["data"] == []


# Model providers


def test_a_model_provider_is_set_listed_and_removed(operator: Operator):
    name = "langgenius/deepseek/deepseek"

    made = operator.put(f"/model-providers/{name}", json={"api_key": "s3cret"}).json
    assert (made["name"], made["base_url"], made["has_key"], made["source"]) == ("deepseek", "https://api.deepseek.com/v1", True, "stored")
    with operator.service.database.read() as session:
        from worker.store.model_providers import SEALED_FOR, find_provider

        sealed = find_provider(session, "deepseek").api_key
    assert sealed is not None
    assert Sealing.find(operator.service.parts.config).open(SEALED_FOR, "deepseek", sealed) == "s3cret"
    other = operator.put("/model-providers/mine", json={"base_url": "http://ada:pass@127.0.0.1:8000/v1", "type": "openai-compatible"}).json
    assert (other["base_url"], other["has_key"]) == ("http://127.0.0.1:8000/v1", False)

    page = operator.get("/model-providers", limit=1)
    rest = operator.get("/model-providers", limit=1, after=page["next"])
    assert [page["data"][0]["name"], rest["data"][0]["name"]] == ["deepseek", "mine"]
    assert operator.delete("/model-providers/DeepSeek").status_code == 204
    assert operator.delete("/model-providers/deepseek").status_code == 404
    assert operator.delete("/model-providers/mine").status_code == 204


def test_the_environment_is_listed_behind_what_is_stored(operator: Operator, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PENSTOCK_PROVIDER_DEEPSEEK_API_KEY", "canary-of-the-environment")

    body = operator.get("/model-providers")

    assert body["data"][-1] == {
        "name": "deepseek",
        "type": "openai-compatible",
        "base_url": "https://api.deepseek.com/v1",
        "has_key": True,
        "source": "environment",
        "updated_at": None,
    }


def test_known_model_providers_are_told(operator: Operator):
    known = operator.get("/known-model-providers")["data"]

    assert {"name": "openai", "type": "openai", "base_url": "https://api.openai.com/v1"} in known


@pytest.mark.parametrize(
    ("name", "body", "field"),
    [
        ("mine", {}, "base_url"),
        ("mine", {"base_url": "ftp://x"}, "base_url"),
        ("mine", {"base_url": "http://"}, "base_url"),
        ("mine", {"base_url": "http://[::1"}, "base_url"),
        ("openai", {"api_key": "schlüssel"}, "api_key"),
        ("openai", {"type": "grpc"}, "type"),
        ("openai", {"api_version": "x" * 65}, "api_version"),
        ("openai", {"key": "x"}, "key"),
        ("---", {"base_url": "http://x/"}, "name"),
        ("n" * 300, {"base_url": "http://x/"}, "name"),
    ],
)
def test_the_order_of_a_model_provider_is_checked(operator: Operator, name: str, body: dict, field: str):
    assert refusal(operator.put(f"/model-providers/{name}", json=body)) == (400, "invalid_param", field)
    assert operator.get("/model-providers")["data"] == []


# Tool providers


def test_an_api_becomes_tools(operator: Operator):
    made = operator.put("/tool-providers/me/search", json={"kind": "api", "document": API, "headers": {"X-Key": "s3cret"}})

    assert (made.status_code, made.json["kind"], made.json["tools"]) == (200, "api", ["find"])
    assert [row["name"] for row in operator.get("/tool-providers")["data"]] == ["me/search"]
    assert operator.delete("/tool-providers/me/search").status_code == 204
    assert operator.delete("/tool-providers/me/search").status_code == 404


def test_an_app_becomes_a_tool(operator: Operator, app_id: str):
    assert operator.put("/tool-providers/inner", json={"kind": "workflow", "app": app_id}).json["tools"] == ["any"]
    assert operator.put("/tool-providers/inner", json={"kind": "workflow", "app": "nobody"}).status_code == 404
    operator.delete("/tool-providers/inner")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "kind"),
        ({"kind": "grpc"}, "kind"),
        ({"kind": "api"}, "document"),
        ({"kind": "api", "document": []}, "document"),
        ({"kind": "mcp"}, "url"),
        ({"kind": "workflow"}, "app"),
        ({"kind": "api", "document": API, "headers": {"bad name": "x"}}, "headers"),
        ({"kind": "api", "document": API, "headers": {"X": "line\nbreak"}}, "headers"),
        ({"kind": "api", "document": API, "headers": {"X": 5}}, "headers"),
        ({"kind": "api", "document": {**API, "servers": []}}, ""),
        ({"kind": "api", "document": {}}, "document"),
        ({"kind": "mcp", "url": "http://127.0.0.1:9/mcp"}, ""),
    ],
)
def test_the_order_of_a_tool_provider_is_checked(operator: Operator, body: dict, field: str):
    answer = operator.put("/tool-providers/search", json=body)

    assert refusal(answer) == (400, "invalid_param", field)
    assert operator.get("/tool-providers")["data"] == []


# Webhooks


def test_a_webhook_is_added_listed_and_removed(operator: Operator, app_id: str):
    made = operator.post(f"/apps/{app_id}/webhooks", json={"url": "https://receiver.example/a", "events": ["workflow.paused"]})
    again = operator.post(f"/apps/{app_id}/webhooks", json={"url": "https://receiver.example/a"})

    assert (made.status_code, made.json["events"]) == (201, ["workflow.paused"])
    assert made.json["secret"].startswith("whsec_")
    assert (again.json["id"], again.json["secret"] == made.json["secret"]) == (made.json["id"], False)
    [listed] = operator.get("/webhooks", app=app_id)["data"]
    assert listed["events"] == list(EVENTS)
    assert operator.delete(f"/apps/{app_id}/webhooks/{listed['id']}").status_code == 204
    assert operator.delete(f"/apps/{app_id}/webhooks/{listed['id']}").status_code == 404
    assert operator.delete(f"/apps/{app_id}/webhooks/no-id").status_code == 404
    assert operator.get("/webhooks", app=app_id)["data"] == []


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "url"),
        ({"url": "nowhere"}, "url"),
        ({"url": "https://ada:pass@receiver.example/"}, "url"),
        ({"url": "https://receiver.example/" + "x" * 3000}, "url"),
        ({"url": "https://receiver.example/", "events": ["workflow.lost"]}, "events"),
        ({"url": "https://receiver.example/", "events": "workflow.paused"}, "events"),
        ({"url": "https://receiver.example/", "event": []}, "event"),
    ],
)
def test_the_order_of_a_webhook_is_checked(operator: Operator, app_id: str, body: dict, field: str):
    assert refusal(operator.post(f"/apps/{app_id}/webhooks", json=body)) == (400, "invalid_param", field)


def test_webhooks_of_an_unknown_app_are_404(operator: Operator):
    assert operator.open("GET", "/webhooks", query_string={"app": "nobody"}).status_code == 404
    assert operator.post("/apps/nobody/webhooks", json={"url": "https://receiver.example/"}).status_code == 404
