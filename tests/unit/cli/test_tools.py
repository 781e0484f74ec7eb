import io
import json

import pytest

from tests.services import documents

API = {
    "openapi": "3.0.0",
    "info": {"title": "Search", "version": "1"},
    "servers": [{"url": "https://api.example"}],
    "paths": {"/q": {"get": {"operationId": "search", "parameters": [{"name": "query", "in": "query", "schema": {"type": "string"}}]}}},
}


def tool_node(provider, name, kind="builtin"):
    return documents.node("t", "tool", provider_type=kind, provider_id=provider, provider_name=provider, tool_name=name)


@pytest.fixture
def written(tmp_path):
    def write(name, document):
        path = tmp_path / name
        path.write_text(json.dumps(document, ensure_ascii=False), "utf-8")
        return path

    return write


@pytest.fixture
def searching(written):
    """A workflow that calls a tool of a vendor."""
    nodes = [documents.start(), tool_node("acme/search/search", "search"), documents.end(text=["t", "text"])]
    return written("searching.yml", documents.chain("Searching", nodes))


def test_a_workflow_with_a_missing_tool_is_refused_with_what_to_do(penstock, searching):
    checked, imported = penstock("apps", "check", searching, "--json"), penstock("apps", "import", searching)

    (finding,) = checked.lines()
    assert (checked.code, finding["code"], finding["level"], finding["node_id"]) == (1, "unsupported_tool", "error", "t")
    assert "penstock tools add-api acme/search/search FILE" in finding["message"]
    assert imported.code == 1
    assert "the tool 'search' of 'acme/search/search' is not available here" in imported.err


def test_it_can_be_taken_all_the_same(penstock, searching):
    imported = penstock("apps", "import", searching, "--allow-missing-tools")
    published = penstock("apps", "publish", "Searching", searching, "--allow-missing-tools")

    assert (imported.code, published.code) == (0, 0)
    assert "warning: the tool 'search'" in imported.err
    assert penstock("apps", "publish", "Searching", searching).code == 1


def test_a_registered_api_makes_it_run(penstock, searching, written, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO("Bearer typed\n"))
    added = penstock("tools", "add-api", "search", written("api.json", API), "--header", "X-Key: k", "--header", "Authorization")

    assert (added.code, added.out) == (0, "search: search\n")
    assert penstock("apps", "check", searching).code == 0
    assert penstock("apps", "import", searching).code == 0
    first = penstock("tools", "list", "--json").lines()[0]
    assert (first["name"], first["kind"], first["tools"]) == ("search", "api", ["search"])
    listed = penstock("tools", "list")
    assert "current_time" in listed.out
    assert "typed" not in listed.out


def test_a_removed_provider_is_missed_again(penstock, searching, written):
    penstock("tools", "add-api", "search", written("api.json", API))

    assert penstock("tools", "remove", "search").code == 0
    assert penstock("apps", "check", searching).code == 1
    assert penstock("tools", "remove", "search").err == "penstock: There is no tool provider 'search'.\n"


def test_an_app_can_stand_for_a_tool(penstock, written):
    query = documents.variable("query")
    inner = written("inner.yml", documents.chain("Inner", [documents.start(query), documents.end(found=["start", "query"])]))
    calling = tool_node("imageSearch", "imageSearch", "workflow")
    calling["data"]["tool_parameters"] = {"query": {"type": "mixed", "value": "cats"}}
    outer = written(
        "outer.yml", documents.chain("Outer", [documents.start(), calling, documents.end(text=["t", "text"], found=["t", "found"])])
    )
    penstock("apps", "import", inner)

    assert "penstock tools add-workflow imageSearch APP" in penstock("apps", "check", outer).out
    assert penstock("tools", "add-workflow", "imageSearch", "Inner").out == "imageSearch: calls of its tools run Inner.\n"
    assert penstock("apps", "import", outer).code == 0
    ran = penstock("run", outer)
    assert (ran.code, json.loads(ran.out)) == (0, {"text": '{"found": "cats"}', "found": "cats"})


def test_run_warns_of_a_missing_tool_and_built_in_ones_work(penstock, searching, written):
    nodes = [documents.start(), tool_node("time", "weekday"), documents.end(text=["t", "text"])]
    nodes[1]["data"]["tool_parameters"] = {"year": "2024", "month": "2", "day": "29"}
    asked = penstock("run", written("day.yml", documents.chain("Day", nodes)))
    missing = penstock("run", searching)

    assert json.loads(asked.out) == {"text": "February 29, 2024 is Thursday."}
    assert missing.code == 1
    assert "warning: the tool 'search'" in missing.err
    assert "Failed to get tool runtime: tool provider acme/search/search not found" in missing.err


@pytest.mark.parametrize("style", ["mixed", "bare"])
def test_a_parsed_text_is_an_object_further_on(penstock, written, style):
    parse = tool_node("builtin", "json_parse")
    text = "{{#start.order#}}"
    parse["data"]["tool_parameters"] = {"json_string": text if style == "bare" else {"type": "mixed", "value": text}}
    nodes = [documents.start(documents.variable("order")), parse, documents.end(order=["t", "result"], city=["t", "result", "to", "city"])]
    ran = penstock("run", written("order.yml", documents.chain("Order", nodes)), "-i", 'order={"to": {"city": "Lima"}}')

    assert json.loads(ran.out) == {"order": {"to": {"city": "Lima"}}, "city": "Lima"}


def test_an_mcp_server_that_cannot_be_reached_is_said(penstock):
    answer = penstock("tools", "add-mcp", "weather", "http://127.0.0.1:9/mcp")

    assert answer.code == 1
    assert "SSRF" in answer.err


@pytest.mark.parametrize("header", [": x", "", "é: x"])
def test_headers_of_a_wrong_form_are_refused(penstock, written, header):
    assert penstock("tools", "add-api", "search", written("api.json", API), "--header", header).code == 2


def test_a_description_that_cannot_be_used_is_refused(penstock, written):
    answer = penstock("tools", "add-api", "search", written("api.json", {**API, "servers": []}))

    assert answer.code == 1
    assert "give one with --server" in answer.err
