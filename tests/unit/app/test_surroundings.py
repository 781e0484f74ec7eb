"""What every answer carries, and the endpoints without a key."""

import os

import pytest

from app.config import ApiConfig
from tests.unit.app.serving import Caller, Service, served

PREFLIGHT = {
    "Origin": "https://site.example",
    "Access-Control-Request-Method": "POST",
    "Access-Control-Request-Headers": "authorization, content-type, x-unknown",
}


@pytest.mark.parametrize("path", ["/v1/info", "/v1/nope", "/v1/workflows/run", "/health", "/"])
def test_versions_and_cors_are_on_everything(service: Service, path: str):
    answer = service.app.test_client().get(path)

    assert answer.headers["X-Version"] == "1.12.1"
    assert answer.headers["X-Env"] == "PRODUCTION"
    assert answer.headers["X-Penstock-Version"]
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert answer.headers["Access-Control-Expose-Headers"] == "X-Env, X-Trace-Id, X-Version"
    assert "Access-Control-Allow-Credentials" not in answer.headers


def test_an_origin_is_echoed_on_errors_and_streams(service: Service, caller: Caller):
    refused = caller.client.get("/v1/info", headers={"Origin": "https://site.example"})
    body = {"inputs": {"q": "x"}, "user": "u", "response_mode": "streaming"}
    stream = caller.post("/v1/workflows/run", json=body, headers={"Origin": "https://site.example"})
    stream.close()

    for answer in (refused, stream):
        assert answer.headers["Access-Control-Allow-Origin"] == "https://site.example"
        assert "Origin" in answer.headers["Vary"]


def test_options_need_no_key(service: Service):
    answer = service.app.test_client().options("/v1/workflows/run")

    assert (answer.status_code, answer.data) == (200, b"")
    assert set(answer.headers["Allow"].split(", ")) == {"POST", "OPTIONS"}
    assert "Access-Control-Allow-Methods" not in answer.headers


def test_a_preflight_learns_the_headers_that_it_asked_for_and_may_send(service: Service):
    answer = service.app.test_client().options("/v1/workflows/run", headers=PREFLIGHT)

    assert answer.status_code == 200
    assert answer.headers["Access-Control-Allow-Headers"] == "Authorization, Content-Type"
    assert {"GET", "PUT", "POST", "DELETE", "OPTIONS", "PATCH"} == set(answer.headers["Access-Control-Allow-Methods"].split(", "))


@pytest.mark.parametrize("path", ["/v1/info", "/v1/site", "/v1/meta", "/v1/parameters", "/v1/workflows/logs"])
def test_head_is_get_without_the_body(caller: Caller, path: str):
    get, head = caller.get(path), caller.open("HEAD", path)

    assert (head.status_code, head.data) == (get.status_code, b"")
    assert head.headers["Content-Length"] == get.headers["Content-Length"]


@pytest.mark.parametrize("path", ["/v1/nope", "/nope", "/v1/parameters/", "/v1//parameters", "/v1/files/abc/preview", "/V1/info"])
def test_an_unknown_path_is_a_json_404(caller: Caller, path: str):
    answer = caller.get(path)

    assert answer.content_type == "application/json"
    assert (answer.status_code, answer.json["code"]) == (404, "not_found")
    assert "did you mean" not in answer.json["message"].lower()


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "/v1/workflows/run", {"POST", "OPTIONS"}),
        ("DELETE", "/v1/workflows/run/xyz", {"GET", "HEAD", "OPTIONS"}),
        ("POST", "/v1/parameters", {"GET", "HEAD", "OPTIONS"}),
        ("GET", "/v1/workflows/tasks/zzz/stop", {"POST", "OPTIONS"}),
    ],
)
def test_a_wrong_method_is_a_json_405_with_allow(caller: Caller, method: str, path: str, allowed: set):
    answer = caller.open(method, path)

    message = "The method is not allowed for the requested URL."
    assert answer.json == {"code": "method_not_allowed", "message": message, "status": 405}
    assert set(answer.headers["Allow"].split(", ")) == allowed


@pytest.mark.parametrize("path", ["/v1", "/v1/"])
def test_the_index_needs_no_key(service: Service, path: str):
    answer = service.app.test_client().get(path)

    assert answer.status_code == 200
    assert (answer.json["api_version"], answer.json["server_version"]) == ("v1", "1.12.1")
    assert answer.json["welcome"]


def test_health(service: Service):
    assert service.app.test_client().get("/health").json == {"status": "ok", "version": "1.12.1", "pid": os.getpid()}


def test_a_deployment_chooses_what_it_announces():
    with served(ApiConfig(announced_version="1.9.0", environment="STAGING")) as service:
        answer = service.app.test_client().get("/health")

    assert (answer.headers["X-Version"], answer.headers["X-Env"], answer.json["version"]) == ("1.9.0", "STAGING", "1.9.0")


def test_a_process_is_ready_when_database_schema_and_redis_are():
    from worker.store.migrate import REVISIONS

    with served() as service:
        client = service.app.test_client()
        without_schema = client.get("/healthz/ready")
        with service.database.engine.begin() as connection:
            connection.exec_driver_sql("CREATE TABLE alembic_version (version_num TEXT)")
            connection.exec_driver_sql("INSERT INTO alembic_version VALUES (?)", (REVISIONS[-1],))
        remembered = client.get("/healthz/ready")
        service.parts.readiness._looked_at = -10.0
        ready = client.get("/healthz/ready")

    assert (without_schema.status_code, without_schema.json["schema"]) == (503, "unavailable")
    assert remembered.json == without_schema.json
    assert (ready.status_code, ready.json) == (200, {"status": "ok", "database": "ok", "schema": "ok", "redis": "ok"})


def test_a_process_is_alive_while_its_database_is_not():
    with served() as service:
        service.database.dispose()
        service.parts.readiness._checks["database"] = lambda: 1 / 0
        client = service.app.test_client()
        live, ready = client.get("/healthz/live"), client.get("/healthz/ready")

    assert (live.status_code, live.json) == (200, {"status": "ok"})
    assert (ready.status_code, ready.json["database"]) == (503, "unavailable")
