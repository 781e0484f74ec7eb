"""Apps, their versions and aliases."""

from __future__ import annotations

import io
import uuid

import pytest

from tests.services import documents
from tests.unit.app.admin.administering import Operator, hello, operated, refusal, text_of
from tests.unit.app.serving import Caller


def broken() -> dict:
    """A document with two reasons why it cannot run."""
    nodes = [documents.start(), documents.node("ball", "crystal-ball"), documents.node("or", "oracle"), documents.end()]
    return documents.chain("Broken", nodes)


def test_an_import_gives_an_app_a_version_and_a_key(operator: Operator):
    made = operator.import_app(hello("Greeter"))

    assert list(made) == ["app_id", "workflow_id", "name", "api_key", "warnings"]
    assert (made["name"], made["warnings"]) == ("Greeter", [])
    caller = Caller(operator.service, made["app_id"], made["api_key"])
    assert caller.run().json["data"]["status"] == "succeeded"
    app = operator.get(f"/apps/{made['app_id']}")
    assert (app["name"], app["api_enabled"], app["workflow_id"]) == ("Greeter", True, made["workflow_id"])
    assert isinstance(app["created_at"], int)


def test_a_file_of_a_form_is_a_document_too(operator: Operator):
    data = {"file": (io.BytesIO(text_of(hello())), "hello.yml"), "name": "From a form"}

    answer = operator.post("/apps", data=data, content_type="multipart/form-data")

    assert (answer.status_code, answer.json["name"]) == (201, "From a form")


@pytest.mark.parametrize("content_type", ["application/x-yaml", "text/yaml; charset=utf-8", "application/json", "application/octet-stream"])
def test_documents_come_as_several_types(operator: Operator, content_type: str):
    assert operator.post("/apps", data=text_of(hello()), content_type=content_type).status_code == 201


def test_a_document_that_cannot_run_is_refused_with_every_reason(operator: Operator):
    before = len(operator.get("/apps", limit=100)["data"])

    answer = operator.post("/apps", data=text_of(broken()), content_type="application/yaml")

    assert refusal(answer) == (400, "invalid_document", "")
    assert [(finding["code"], finding["node_id"]) for finding in answer.json["findings"] if finding["level"] == "error"] == [
        ("unsupported_node_type", "ball"),
        ("unsupported_node_type", "or"),
    ]
    assert "crystal-ball" in answer.json["message"]
    assert "oracle" in answer.json["message"]
    assert len(operator.get("/apps", limit=100)["data"]) == before


@pytest.mark.parametrize(
    ("text", "words", "path"),
    [
        (b"", "must be a mapping", None),
        (b"- a list", "must be a mapping", None),
        (b"a: [", "not valid YAML", "line 2"),
        (b"a: !!python/object:os.system x", "tags such as", "line 1"),
        (b"\xff\xfe\x00", "", None),
        (b"a: 1\na: 2", "twice", "line 2"),
    ],
)
def test_what_is_no_document_is_refused(operator: Operator, text: bytes, words: str, path: str | None):
    answer = operator.post("/apps", data=text, content_type="application/yaml")

    assert refusal(answer) == (400, "invalid_document", "")
    [finding] = answer.json["findings"]
    assert words in finding["message"]
    assert finding["path"] == path or not words


def test_a_document_that_is_too_large_is_413(operator: Operator):
    answer = operator.post("/apps", data=b"a: " + b"x" * (11 * 1024 * 1024), content_type="application/yaml")

    assert refusal(answer) == (413, "request_entity_too_large", "")


def test_a_body_of_no_known_type_is_415(operator: Operator):
    for content_type in ("application/x-www-form-urlencoded", "image/png", ""):
        assert refusal(operator.post("/apps", data=b"a: 1", content_type=content_type))[:2] == (415, "unsupported_media_type")
    packed = operator.post("/apps", data=b"a: 1", content_type="application/yaml", headers={"Content-Encoding": "gzip"})
    assert packed.status_code == 415


def test_a_form_needs_one_file(operator: Operator):
    file = (io.BytesIO(b"a: 1"), "a.yml")
    other = (io.BytesIO(b"a: 1"), "b.yml")

    assert refusal(operator.post("/apps", data={"name": "x"}, content_type="multipart/form-data"))[1] == "no_file_uploaded"
    assert refusal(operator.post("/apps", data={"file": file, "more": other}, content_type="multipart/form-data"))[1] == "too_many_files"


@pytest.mark.parametrize(
    ("query", "field"),
    [({"nmae": "x"}, "nmae"), ({"allow_missing_tools": "perhaps"}, "allow_missing_tools"), ({"name": "x" * 256}, "name")],
)
def test_options_of_an_import_are_checked(operator: Operator, query: dict, field: str):
    answer = operator.post("/apps", data=text_of(hello()), content_type="application/yaml", query_string=query)

    assert refusal(answer) == (400, "invalid_param", field)
    assert answer.json["message"].startswith(f"{field} ")


def test_missing_tools_are_refused_unless_they_are_allowed(operator: Operator):
    tool = documents.node("t", "tool", provider_id="nowhere", provider_name="nowhere", provider_type="builtin", tool_name="x")
    document = documents.chain("Calls", [documents.start(), tool, documents.end()])

    assert operator.post("/apps", data=text_of(document), content_type="application/yaml").status_code == 400
    made = operator.import_app(document, allow_missing_tools="true")
    assert made["warnings"][0]["node_id"] == "t"


def test_a_check_stores_nothing(operator: Operator):
    before = operator.get("/apps", limit=100)["data"]

    fine = operator.post("/documents/check", data=text_of(hello()), content_type="application/yaml").json
    wrong = operator.post("/documents/check", data=text_of(broken()), content_type="application/yaml").json

    assert fine == {"is_runnable": True, "findings": []}
    assert not wrong["is_runnable"]
    assert {finding["code"] for finding in wrong["findings"]} >= {"unsupported_node_type"}
    assert operator.get("/apps", limit=100)["data"] == before


def test_apps_are_paged_and_found_by_name():
    with operated() as operator:
        names = [f"App {number}" for number in range(5)]
        for name in names:
            operator.import_app(name=name)

        seen, after = [], {}
        while True:
            page = operator.get("/apps", limit=2, **after)
            seen += [app["name"] for app in page["data"]]
            assert page["has_more"] == (page["next"] is not None)
            if not page["has_more"]:
                break
            after = {"after": page["next"]}

        assert seen == names
        assert [app["name"] for app in operator.get("/apps", name="pp 3")["data"]] == ["App 3"]
        assert operator.get("/apps/App%203")["name"] == "App 3"


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"limit": "0"}, "limit"),
        ({"limit": "101"}, "limit"),
        ({"limit": "many"}, "limit"),
        ({"after": "?"}, "after"),
        ({"after": "bm9uc2Vuc2U"}, "after"),
        ({"after": "WzEsMl0"}, "after"),
        ({"after": "x" * 3000}, "after"),
        ({"colour": "red"}, "colour"),
        ({"name": "nul\0"}, "name"),
    ],
)
def test_queries_of_lists_are_checked(operator: Operator, query: dict, field: str):
    answer = operator.open("GET", "/apps", query_string=query)

    assert refusal(answer) == (400, "invalid_param", field)


@pytest.mark.parametrize("name", ["nobody", str(uuid.uuid4()), "nul%00", "%FF"])
def test_an_unknown_app_is_404(operator: Operator, name: str):
    paths = ["", "/versions", "/keys", "/environment", "/aliases", "/versions/current", "/versions/current/document"]

    for path in paths:
        assert refusal(operator.open("GET", f"/apps/{name}{path}")) == (404, "not_found", "")
    assert operator.delete(f"/apps/{name}").status_code == 404


def test_the_api_of_an_app_is_switched_off_and_on(operator: Operator):
    made = operator.import_app()
    caller = Caller(operator.service, made["app_id"], made["api_key"])

    assert operator.patch(f"/apps/{made['app_id']}", json={"api_enabled": False}).json["api_enabled"] is False
    assert caller.get("/v1/info").status_code == 403
    assert operator.patch(f"/apps/{made['app_id']}", json={"api_enabled": True}).status_code == 200
    assert caller.get("/v1/info").status_code == 200


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "api_enabled"),
        ({"api_enabled": 1}, "api_enabled"),
        ({"api_enabled": None}, "api_enabled"),
        ({"api_enabled": True, "name": "x"}, "name"),
    ],
)
def test_a_change_is_checked(operator: Operator, app_id: str, body: dict, field: str):
    answer = operator.patch(f"/apps/{app_id}", json=body)

    assert refusal(answer) == (400, "invalid_param", field)


@pytest.mark.parametrize(("text", "wanted"), [("{", "bad_request"), ("[]", "invalid_param"), ("null", "invalid_param")])
def test_a_body_that_is_no_object_is_refused(operator: Operator, app_id: str, text: str, wanted: str):
    assert refusal(operator.patch(f"/apps/{app_id}", data=text, content_type="application/json"))[:2] == (400, wanted)
    assert operator.patch(f"/apps/{app_id}", data="{}", content_type="text/plain").status_code == 415


def test_a_deleted_app_is_gone(operator: Operator):
    made = operator.import_app()
    caller = Caller(operator.service, made["app_id"], made["api_key"])
    caller.run()

    assert operator.delete(f"/apps/{made['app_id']}").status_code == 204
    assert operator.open("GET", f"/apps/{made['app_id']}").status_code == 404
    assert caller.get("/v1/info").status_code == 401


def test_publishing_makes_a_new_version_once(operator: Operator, app_id: str):
    newer = hello(opening_statement="Hi")

    first = operator.publish(app_id, newer)
    again = operator.publish(app_id, newer)

    assert (first["is_new"], again["is_new"]) == (True, False)
    assert first["workflow_id"] == again["workflow_id"]
    assert operator.get(f"/apps/{app_id}")["name"] == "Hello"
    listed = operator.get(f"/apps/{app_id}/versions")
    assert [version["is_current"] for version in listed["data"]] == [True, False]
    assert listed["data"][0]["id"] == first["workflow_id"]


def test_a_document_that_cannot_run_is_not_published(operator: Operator, app_id: str):
    answer = operator.post(f"/apps/{app_id}/versions", data=text_of(broken()), content_type="application/yaml")

    assert refusal(answer)[1] == "invalid_document"
    assert len(operator.get(f"/apps/{app_id}/versions")["data"]) == 1
    named = operator.post(f"/apps/{app_id}/versions?name=x", data=text_of(hello()), content_type="application/yaml")
    assert refusal(named) == (400, "invalid_param", "name")
    nowhere = operator.post("/apps/nobody/versions", data=text_of(hello()), content_type="application/yaml")
    assert nowhere.status_code == 404


def test_versions_are_paged_and_shown(operator: Operator, app_id: str):
    for number in range(3):
        operator.publish(app_id, hello(opening_statement=str(number)))

    first = operator.get(f"/apps/{app_id}/versions", limit=3)
    second = operator.get(f"/apps/{app_id}/versions", limit=3, after=first["next"])

    assert (len(first["data"]), len(second["data"]), second["has_more"]) == (3, 1, False)
    one = second["data"][0]
    assert operator.get(f"/apps/{app_id}/versions/{one['id']}") == one
    assert operator.get(f"/apps/{app_id}/versions/{one['version']}") == one
    shown = operator.get(f"/apps/{app_id}/versions/current/document")
    assert shown["id"] == first["data"][0]["id"]
    assert shown["document"]["workflow"]["features"]["opening_statement"] == "2"
    assert shown["masked"] == []
    assert operator.open("GET", f"/apps/{app_id}/versions/nothing").status_code == 404


def test_a_rollback_goes_back_one_version_or_to_the_one_named(operator: Operator, app_id: str):
    first = operator.get(f"/apps/{app_id}/versions/current")["id"]
    second = operator.publish(app_id, hello(opening_statement="two"))["workflow_id"]

    assert operator.post(f"/apps/{app_id}/rollback", json={}).json["id"] == first
    assert operator.get(f"/apps/{app_id}")["workflow_id"] == first
    back = operator.post(f"/apps/{app_id}/rollback", json={"version": second}).json
    assert (back["id"], back["is_current"]) == (second, True)


def test_a_rollback_to_nowhere_is_refused(operator: Operator, app_id: str):
    other = operator.import_app()["workflow_id"]

    assert refusal(operator.post(f"/apps/{app_id}/rollback", json={})) == (404, "not_found", "")
    assert refusal(operator.post(f"/apps/{app_id}/rollback", json={"version": other})) == (404, "not_found", "")
    assert refusal(operator.post(f"/apps/{app_id}/rollback", json={"version": 5})) == (400, "invalid_param", "version")


def test_an_alias_is_set_moved_run_and_removed(operator: Operator):
    made = operator.import_app()
    app_id, first = made["app_id"], made["workflow_id"]
    caller = Caller(operator.service, app_id, made["api_key"])
    second = operator.publish(app_id, hello(opening_statement="two"))["workflow_id"]

    assert operator.put(f"/apps/{app_id}/aliases/production", json={"version": first}).json["workflow_id"] == first
    assert caller.run(path="/v1/workflows/production/run").json["data"]["workflow_id"] == first
    assert operator.put(f"/apps/{app_id}/aliases/production", json={"version": "current"}).json["workflow_id"] == second
    assert caller.run(path="/v1/workflows/production/run").json["data"]["workflow_id"] == second
    assert operator.put(f"/apps/{app_id}/aliases/staging", json={"version": "production"}).json["workflow_id"] == second

    listed = operator.get(f"/apps/{app_id}/aliases")["data"]
    assert [alias["name"] for alias in listed] == ["production", "staging"]
    assert operator.get(f"/apps/{app_id}/aliases/production") == listed[0]
    assert operator.delete(f"/apps/{app_id}/aliases/production").status_code == 204
    assert operator.open("GET", f"/apps/{app_id}/aliases/production").status_code == 404
    assert operator.delete(f"/apps/{app_id}/aliases/production").status_code == 404
    assert caller.run(path="/v1/workflows/production/run").status_code == 400


def test_what_is_no_version_and_no_alias_is_refused_as_the_contract_has_it(operator: Operator):
    made = operator.import_app()
    caller = Caller(operator.service, made["app_id"], made["api_key"])
    other = operator.import_app()
    operator.put(f"/apps/{other['app_id']}/aliases/theirs", json={"version": "current"})
    unknown = str(uuid.uuid4())

    for name in ("nothing", "theirs", "nul%00"):
        answer = caller.run(path=f"/v1/workflows/{name}/run")
        assert refusal(answer)[:2] == (400, "bad_request")
        assert answer.json["message"].startswith("Invalid workflow_id format: '")
    assert caller.run(path=f"/v1/workflows/{unknown}/run").json == {
        "code": "not_found",
        "message": f"Workflow not found with id: {unknown}",
        "status": 404,
    }


@pytest.mark.parametrize(
    "name",
    ["Production", "1st", "a b", "ü", "x" * 65, "latest", "current", "run", "batches", "a" * 32, "abcdefab-abcd-abcd-abcd-abcdefabcdef"],
)
def test_what_cannot_be_an_alias_is_refused(operator: Operator, app_id: str, name: str):
    answer = operator.put(f"/apps/{app_id}/aliases/{name}", json={"version": "current"})

    assert refusal(answer) == (400, "invalid_param", "name")


@pytest.mark.parametrize(("body", "field"), [({}, "version"), ({"version": None}, "version"), ({"version": "current", "x": 1}, "x")])
def test_the_target_of_an_alias_is_checked(operator: Operator, app_id: str, body: dict, field: str):
    assert refusal(operator.put(f"/apps/{app_id}/aliases/production", json=body)) == (400, "invalid_param", field)


def test_an_alias_for_an_unknown_version_is_404(operator: Operator, app_id: str):
    other = operator.import_app()["workflow_id"]

    for version in ("nothing", other):
        assert refusal(operator.put(f"/apps/{app_id}/aliases/production", json={"version": version})) == (404, "not_found", "")


def test_an_app_has_so_many_aliases_and_no_more(operator: Operator, app_id: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("app.admin.releases.MAX_ALIASES", 1)
    operator.put(f"/apps/{app_id}/aliases/one", json={"version": "current"})

    assert refusal(operator.put(f"/apps/{app_id}/aliases/two", json={"version": "current"})) == (400, "invalid_param", "name")
    assert operator.put(f"/apps/{app_id}/aliases/one", json={"version": "current"}).status_code == 200


def test_secrets_without_a_key_to_seal_them_are_refused():
    secret = {"name": "API_KEY", "value": "s3cret", "value_type": "secret", "id": "1", "description": "", "selector": ["env", "API_KEY"]}
    document = hello()
    document["workflow"]["environment_variables"] = [secret]

    with operated(secret_key="") as operator:
        answer = operator.post("/apps", data=text_of(document), content_type="application/yaml")

        assert refusal(answer)[:2] == (409, "secrets_not_sealed")
        assert "PENSTOCK_SECRET_KEY" in answer.json["message"]
        assert operator.get("/apps")["data"] == []
