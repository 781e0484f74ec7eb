"""Who may call the admin API, and that it is not there without its setting."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from typing import Any

import pytest

from app.config import ApiConfig
from tests.unit.app.admin.administering import TOKEN, Operator, refusal
from tests.unit.app.serving import served
from worker.config import ConfigError


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Method, path with made-up ids, and description of every operation of the admin API."""
    for path, item in document["paths"].items():
        if path.startswith("/admin/"):
            for method in ("get", "post", "put", "patch", "delete"):
                if method in item:
                    yield method.upper(), re.sub(r"\{\w+\}", "some", path), item[method]


@pytest.fixture
def described(operator: Operator) -> list[tuple[str, str, dict[str, Any]]]:
    found = list(operations(operator.client.get("/openapi.json").json))
    assert len(found) > 30
    return found


@pytest.mark.parametrize(
    "header",
    [
        None,
        "Bearer",
        f"Basic {TOKEN}",
        "Bearer wrong-token-of-somebody",
        f"Bearer {TOKEN}x",
        f"Bearer {TOKEN[:-1]}",
        "Bearer ü",
        "Bearer \u2603",
    ],
)
def test_every_endpoint_wants_the_token(operator: Operator, described: list[tuple[str, str, Any]], header: str | None):
    headers = {} if header is None else {"Authorization": header.encode("utf-8").decode("latin-1")}

    for method, path, _ in described:
        answer = operator.client.open(path, method=method, headers=headers)

        assert refusal(answer) == (401, "unauthorized", ""), (method, path)
        assert answer.headers["WWW-Authenticate"] == 'Bearer realm="api"'


def test_a_key_of_an_app_is_no_token(operator: Operator, described: list[tuple[str, str, Any]]):
    key = operator.import_app()["api_key"]

    for method, path, _ in described:
        answer = operator.client.open(path, method=method, headers={"Authorization": f"Bearer {key}"})
        assert answer.status_code == 401, (method, path)


def test_the_token_is_no_key_of_an_app(operator: Operator):
    answer = operator.client.get("/v1/info", headers={"Authorization": f"Bearer {TOKEN}"})

    assert answer.status_code == 401


def test_the_token_opens(operator: Operator):
    for scheme in ("Bearer", "bearer"):
        assert operator.client.get("/admin/v1/overview", headers={"Authorization": f"{scheme} {TOKEN} "}).status_code == 200


def test_without_the_setting_nothing_is_there(described: list[tuple[str, str, Any]]):
    with served(ApiConfig()) as service:
        client = service.app.test_client()
        elsewhere = client.get("/v1/no-such-path").json
        for method, path, _ in described:
            for headers in ({}, {"Authorization": f"Bearer {TOKEN}"}, {"Authorization": "Bearer "}):
                answer = client.open(path, method=method, headers=headers)
                assert (answer.status_code, answer.json) == (404, elsewhere), (method, path)
        document = client.get("/openapi.json")
        assert "dmin" not in document.text
        assert client.options("/admin/v1/apps").status_code == 404


def test_every_operation_says_what_opens_it(operator: Operator, described: list[tuple[str, str, dict[str, Any]]]):
    document = operator.client.get("/openapi.json").json

    assert document["components"]["securitySchemes"]["admin"]["scheme"] == "bearer"
    for method, path, operation in described:
        assert operation["security"] == [{"admin": []}], (method, path)
        assert operation["tags"][0].startswith("Admin: ")
        assert operation["summary"]
        assert {"401", "503"} <= set(operation["responses"])
    assert {"security": [{"key": []}]}.items() <= document.items()


def test_the_page_for_people_shows_it(operator: Operator):
    page = operator.client.get("/docs").text

    assert '<span class="path">/admin/v1/apps/{app}/aliases/{name}</span>' in page


def test_a_preflight_needs_no_token(operator: Operator):
    asked = {"Origin": "https://console.example", "Access-Control-Request-Method": "PUT", "Access-Control-Request-Headers": "authorization"}

    answer = operator.client.options("/admin/v1/apps/some/aliases/production", headers=asked)

    assert answer.status_code == 200
    assert answer.headers["Access-Control-Allow-Origin"] == "https://console.example"
    assert "PUT" in answer.headers["Access-Control-Allow-Methods"]
    assert answer.headers["Access-Control-Allow-Headers"] == "Authorization"


def test_answers_have_the_headers_of_all_others(operator: Operator):
    answer = operator.open("GET", "/overview")

    assert answer.headers["X-Version"]
    assert answer.headers["Access-Control-Allow-Origin"] == "*"


@pytest.mark.parametrize("value", ["short", "x" * 15, "with a blank 0123456", "schlüssel-schlüssel", "line\nbreak-0123456789"])
def test_a_token_that_cannot_be_used_is_refused_without_showing_it(value: str):
    with pytest.raises(ConfigError, match="PENSTOCK_ADMIN_TOKEN must have at least 16 characters") as refused:
        ApiConfig.from_env({"PENSTOCK_ADMIN_TOKEN": value})

    assert value not in str(refused.value)


def test_the_settings_do_not_show_the_token():
    config = ApiConfig.from_env({"PENSTOCK_ADMIN_TOKEN": TOKEN})

    assert config.admin_token == TOKEN
    assert TOKEN not in repr(config)
    assert ApiConfig.from_env({"PENSTOCK_ADMIN_TOKEN": ""}).admin_token == ""


def test_what_is_changed_is_logged_without_what_is_secret(operator: Operator, app_id: str, caplog: pytest.LogCaptureFixture):
    with caplog.at_level(logging.DEBUG):
        operator.get(f"/apps/{app_id}")
        operator.post(f"/apps/{app_id}/keys", json={"token": "app-canary-of-a-log"}, query_string={"q": "canary-of-a-query"})
        operator.delete("/apps/no%0Asuch")

    noted = [record.getMessage() for record in caplog.records if record.name == "app.admin.audit"]
    assert noted == [
        f"admin from 127.0.0.1: 'POST /admin/v1/apps/{app_id}/keys' answered 201",
        "admin from 127.0.0.1: 'DELETE /admin/v1/apps/no\\nsuch' answered 404",
    ]
    assert "canary" not in caplog.text
    assert TOKEN not in caplog.text


def test_refused_changes_are_logged_too(operator: Operator, caplog: pytest.LogCaptureFixture):
    with caplog.at_level(logging.INFO):
        operator.client.delete("/admin/v1/apps/some")

    assert [record.getMessage() for record in caplog.records if record.name == "app.admin.audit"] == [
        "admin from 127.0.0.1: 'DELETE /admin/v1/apps/some' answered 401"
    ]
