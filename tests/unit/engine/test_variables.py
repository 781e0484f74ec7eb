import copy

import pytest

from worker.engine.variables import MISSING, File, Secret, VariablePool, log_of, mask, plain, sign_files, text_of, to_json

FILE = File("document", "local_file", "note.txt", ".txt", "text/plain", 38, related_id="f1")


@pytest.fixture
def pool():
    pool = VariablePool(lambda file: f"https://penstock.example/{file.related_id}")
    pool.add_outputs("code", {"text": "x", "null": None, "object": {"a": {"b": 1}, "0": "zero", "n": None}, "list": [1], "a.b": 2})
    pool.set("start", "file", FILE)
    pool.set("sys", "user_id", "u")
    return pool


def test_a_declared_type_stays_whatever_is_written(pool):
    pool.declare("code", "list", "array[string]")
    pool.set("code", "list", [])
    assert pool.type_at("code", "list") == pool.copy().type_at("code", "list") == "array[string]"
    pool.remove_node("code")
    pool.set("code", "list", [])
    assert pool.type_at("code", "list") == "array[any]"


def test_a_copy_does_not_hear_of_later_declarations(pool):
    twin = pool.copy()
    pool.declare("code", "list", "array[string]")
    assert twin.type_at("code", "list") == "array[number]"


@pytest.mark.parametrize(
    ("selector", "value"),
    [
        (("code", "text"), "x"),
        (("code", "null"), None),
        (("code", "a.b"), 2),
        (("code", "object", "a"), {"b": 1}),
        (("code", "object", "a", "b"), 1),
        (("code", "object", "0"), "zero"),
        (("code", "object", "n"), None),
        (("sys", "user_id"), "u"),
        (("start", "file"), FILE),
        (("start", "file", "name"), "note.txt"),
        (("start", "file", "size"), 38),
        (("start", "file", "url"), "https://penstock.example/f1"),
        (("start", "file", "name", "ignored"), "note.txt"),
        (["code", "text"], "x"),
    ],
)
def test_selectors_that_find(pool, selector, value):
    assert pool.get(selector) == value


@pytest.mark.parametrize(
    "selector",
    [
        (),
        ("code",),
        ("ghost", "x"),
        ("code", "ghost"),
        ("code", "object", "ghost"),
        ("code", "object", "n", "deeper"),
        ("code", "text", "length"),
        ("code", "list", "0"),
        ("code", "null", "x"),
        ("code", "ghost", "x"),
        ("start", "file", "filename"),
        ("start", "file", "__class__"),
    ],
)
def test_selectors_that_find_nothing(pool, selector):
    assert pool.get(selector) is MISSING


def test_missing_is_false_and_stays_itself_when_copied():
    assert not MISSING
    assert copy.deepcopy(MISSING) is MISSING
    assert repr(MISSING) == "MISSING"


def test_outputs_add_to_what_a_node_has(pool):
    pool.add_outputs("code", {"text": "y", "new": 1})
    assert pool.get(("code", "text")) == "y"
    assert pool.get(("code", "null")) is None
    assert pool.get(("code", "new")) == 1


def test_a_removed_node_has_no_values(pool):
    pool.remove_node("code")
    pool.remove_node("ghost")
    assert pool.get(("code", "text")) is MISSING


def test_the_values_of_a_node_keep_their_order_and_cannot_be_changed_from_outside(pool):
    values = pool.node_values("code")
    assert list(values) == ["text", "null", "object", "list", "a.b"]
    values["text"] = "changed"
    assert pool.get(("code", "text")) == "x"
    assert pool.node_values("ghost") == {}


def test_writes_to_a_copy_stay_there_and_later_writes_do_not_reach_it(pool):
    twin = pool.copy()
    twin.set("code", "text", "inside")
    twin.set("new", "x", 1)
    pool.set("code", "list", [2])
    assert pool.get(("code", "text")) == "x"
    assert pool.get(("new", "x")) is MISSING
    assert twin.get(("code", "list")) == [1]
    assert twin.get(("start", "file", "url")) == "https://penstock.example/f1"


def test_the_masker_knows_the_secrets_of_the_environment(pool):
    assert pool.masker.text("key sk-123456 used") == "key sk-123456 used"
    pool.set("env", "PLAIN", "visible")
    pool.set("env", "KEY", Secret("sk-123456"))
    assert pool.masker.text("key sk-123456 used, visible") == "key sk-123************56 used, visible"
    pool.set("env", "OTHER", Secret("other-secret"))
    assert "other-secret" not in pool.masker.text("other-secret")


def test_renderings_and_json_are_found_here_too():
    assert text_of(1.0) == log_of(1.0) == "1.0"
    assert mask("x") == "*" * 20
    assert plain([Secret("x")]) == ["x"]
    assert sign_files(to_json(FILE, lambda file: ""), lambda file: "signed")["url"] == "signed"
