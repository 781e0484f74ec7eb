import re

import pytest
from flask import Flask

from app.config import ApiConfig
from app.views.docs import METHODS
from tests.unit.app.serving import Service, served


@pytest.fixture
def document(service: Service) -> dict:
    return service.app.test_client().get("/openapi.json").json


#: Paths that the document does not describe: itself, its page and the way there; and the WebSocket, for which OpenAPI has no form: the
#: description of the whole document has it.
UNDESCRIBED = {"/openapi.json", "/docs", "/", "/v1/workflows/run/<run_id>/ws"}


def test_the_document_describes_every_endpoint(service: Service, document: dict):
    assert described(document) == routes(service.app)
    assert document["openapi"].startswith("3.")


def test_the_document_describes_every_endpoint_of_the_admin_api_too():
    with served(ApiConfig(admin_token="a-token-of-some-length")) as service:
        assert described(service.app.test_client().get("/openapi.json").json) == routes(service.app)


def described(document: dict) -> set[tuple[str, str]]:
    """``(method, path)``"""
    return {(method.upper(), path) for path, item in document["paths"].items() for method in METHODS if method in item}


def routes(app: Flask) -> set[tuple[str, str]]:
    """``(method, path)`` of everything that the application answers, but for what Flask adds by itself."""
    return {
        (method, re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule))
        for rule in app.url_map.iter_rules()
        if rule.rule not in UNDESCRIBED
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }


def test_files_may_have_any_type(document: dict):
    for path in ("/v1/files/{file_id}/preview", "/files/{file_id}/file-preview", "/files/tools/{file_id}.{extension}"):
        assert set(document["paths"][path]["get"]["responses"]["200"]["content"]) == {"*/*"}, path


def test_refusals_of_form_pages_are_pages(document: dict):
    for method, statuses in (("get", ("404", "412", "503")), ("post", ("400", "404", "412", "413", "503"))):
        responses = document["paths"]["/form/{token}"][method]["responses"]
        for status in statuses:
            assert set(responses[status]["content"]) == {"text/html"}, (method, status)


def test_refused_documents_have_findings():
    with served(ApiConfig(admin_token="a-token-of-some-length")) as service:
        document = service.app.test_client().get("/openapi.json").json

    for path in ("/admin/v1/apps", "/admin/v1/documents/check", "/admin/v1/apps/{app}/versions"):
        (content,) = document["paths"][path]["post"]["responses"]["400"]["content"].values()
        fields = document["components"]["schemas"][content["schema"]["$ref"].rpartition("/")[2]]["properties"]
        assert set(fields) == {"code", "message", "status", "params", "findings"}, path


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
