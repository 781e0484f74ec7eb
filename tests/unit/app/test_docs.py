import re

import pytest

from tests.unit.app.serving import Service


@pytest.fixture
def document(service: Service) -> dict:
    return service.app.test_client().get("/openapi.json").json


def test_the_document_describes_every_endpoint(service: Service, document: dict):
    undocumented = {"/openapi.json", "/docs", "/", "/v1/workflows/run/<run_id>/ws"}
    rules = {re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule) for rule in service.app.url_map.iter_rules() if rule.rule not in undocumented}

    assert set(document["paths"]) == rules
    assert document["openapi"].startswith("3.")


def test_every_operation_has_a_summary_and_answers(document: dict):
    for path, item in document["paths"].items():
        for method, operation in item.items():
            if method in ("get", "post"):
                assert operation["summary"], path
                assert len(operation["responses"]) > 1, path


def test_bodies_and_answers_come_from_the_schemas(document: dict):
    run = document["paths"]["/v1/workflows/run"]["post"]

    assert run["requestBody"]["content"]["application/json"]["schema"] == {"$ref": "#/components/schemas/RunRequest"}
    assert set(run["responses"]["200"]["content"]) == {"application/json", "text/event-stream"}
    assert set(document["components"]["schemas"]["RunRequest"]["required"]) == {"inputs", "user"}
    assert set(document["components"]["schemas"]["Error"]["properties"]) == {"code", "message", "status", "params"}


def test_queries_are_parameters(document: dict):
    names = [parameter["name"] for parameter in document["paths"]["/v1/workflows/logs"]["get"]["parameters"]]

    assert names[:4] == ["keyword", "status", "page", "limit"]


def test_only_endpoints_without_a_key_say_so(document: dict):
    assert document["security"] == [{"key": []}]
    open_paths = {
        path for path, item in document["paths"].items() for method in ("get", "post") if item.get(method, {}).get("security") == []
    }

    assert {"/health", "/v1", "/v1/", "/files/{file_id}/file-preview"} <= open_paths
    assert not {path for path in open_paths if path.startswith("/v1/") and path != "/v1/"}


def test_the_page_shows_every_operation_and_needs_nothing_from_elsewhere(service: Service, document: dict):
    answer = service.app.test_client().get("/docs")

    assert answer.content_type == "text/html; charset=utf-8"
    for path in document["paths"]:
        assert f'<span class="path">{path}</span>' in answer.text
    assert "<script" not in answer.text
    assert not re.search(r"""(?:src|href|url\()\s*=?\s*["']?(?:https?:)?//""", answer.text)


def test_a_person_at_the_root_is_sent_to_the_page(service: Service):
    answer = service.app.test_client().get("/")

    assert (answer.status_code, answer.headers["Location"]) == (302, "/docs")
