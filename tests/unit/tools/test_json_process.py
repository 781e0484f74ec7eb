import json

import pytest

from tests.unit.nodes.tooling import World
from tests.unit.tools.calling import call, text
from worker.engine.errors import NodeError
from worker.engine.tools import JSONMessage, TextMessage, VariableMessage

STORE = json.dumps({"books": [{"title": "A", "price": 1}, {"title": "B é", "price": 2.5}], "open": True})


def changed(tool, query, **more):
    return json.loads(text(World(), "langgenius/json_process/json_process", tool, content=STORE, query=query, **more))


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("$.books[0].title", "A"),
        ("$.books[1].price", "2.5"),
        ("$.open", "True"),
        ("$.books[*].price", "[1, 2.5]"),
        ("$.books[0]", '{"title": "A", "price": 1}'),
        ("$..title", '["A", "B \\u00e9"]'),
        ("$.nothing", "[]"),
    ],
)
def test_parse_answers_the_one_value_or_the_list(query, expected):
    assert text(World(), "json_process", "parse", content=STORE, json_filter=query) == expected


def test_parse_can_keep_letters_and_gives_the_document_too():
    messages = call(World(), "json_process", "parse", content=STORE, json_filter="$.books[1].title", ensure_ascii="false")

    assert messages == [TextMessage("B é"), JSONMessage(json.loads(STORE))]


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({"query": "$.books", "new_value": '{"title": "C"}'}, {"title": "C"}),
        ({"query": "$.books", "new_value": "plain"}, "plain"),
    ],
)
def test_insert_appends_to_a_list(more, expected):
    assert changed("json_insert", **more)["books"][2] == expected


def test_insert_at_a_place_merges_objects_and_makes_paths_when_asked():
    assert changed("json_insert", "$.books", new_value="first", index=0)["books"][0] == "first"
    assert changed("json_insert", "$.books[0]", new_value='{"price": 9}')["books"][0] == {"title": "A", "price": 9}
    assert changed("json_insert", "$.owner.name", new_value="Ada", create_path="True")["owner"] == {"name": "Ada"}
    assert changed("json_insert", "$.owner.name", new_value="Ada") == json.loads(STORE)


def test_delete():
    assert changed("json_delete", "$.books[*].price")["books"] == [{"title": "A"}, {"title": "B é"}]


@pytest.mark.parametrize(
    ("more", "titles"),
    [
        ({"query": "$.books[*].title", "replace_model": "value", "replace_value": "X"}, [{"title": "X"}, {"title": "X"}]),
        ({"query": "$.books[*].title", "replace_pattern": "B", "replace_value": "C"}, [{"title": "A"}, {"title": "C é"}]),
        ({"query": "$.books[*].title", "replace_model": "key", "replace_value": "name"}, [{"name": "A"}, {"name": "B é"}]),
    ],
    ids=["value", "pattern", "key"],
)
def test_replace(more, titles):
    found = changed("json_replace", **more)["books"]

    assert [{key: value for key, value in book.items() if key != "price"} for book in found] == titles


def test_json_parse_answers_the_value_and_calls_it_result():
    messages = call(World(), "builtin", "json_parse", json_string='{"a": [1]}')

    assert messages == [TextMessage('{"a": [1]}'), JSONMessage({"a": [1]}), VariableMessage("result", {"a": [1]})]


@pytest.mark.parametrize(
    ("content", "query"),
    [("{", "$.a"), ("[" * 100_000, "$.a"), ("{}", "$.["), ("{}", "$" + "..a" * 3), ("{}", "$." + "a" * 600)],
    ids=["no JSON", "too deep", "no path", "too many descents", "too long"],
)
def test_what_cannot_be_read_is_refused(content, query):
    with pytest.raises(NodeError):
        text(World(), "json_process", "parse", content=content, json_filter=query)
