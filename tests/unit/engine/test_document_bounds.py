import datetime

import pytest

from worker.engine.document_bounds import MAX_DEPTH, MAX_VALUES, out_of_bounds


def nested(depth):
    value = "leaf"
    for _ in range(depth):
        value = {"in": value}
    return value


def itself():
    value = {}
    value["again"] = [value]
    return value


def laughs(levels):
    """Ten times ten times ten ...: what a few lines of YAML anchors make."""
    value = ["lol"] * 10
    for _ in range(levels):
        value = [value] * 10
    return value


def test_a_tree_of_json_values_is_within_bounds():
    assert out_of_bounds({"a": [1, 2.5, None, True, "x", {"b": []}]}) is None
    assert out_of_bounds(nested(MAX_DEPTH)) is None


@pytest.mark.parametrize(
    ("document", "code"),
    [
        (nested(MAX_DEPTH + 1), "document_too_deep"),
        (itself(), "document_too_deep"),
        (laughs(12), "document_too_large"),
        ([0] * MAX_VALUES, "document_too_large"),
    ],
)
def test_documents_that_nothing_could_walk_through(document, code):
    assert out_of_bounds(document).code == code


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (datetime.date(2024, 1, 1), "a value of type date is not allowed; write it in quotes"),
        (b"x", "a value of type bytes is not allowed; write it in quotes"),
        (float("nan"), "nan is not a number that JSON knows"),
        (float("-inf"), "-inf is not a number that JSON knows"),
        ({1: "x"}, "the key 1 must be a text; write it in quotes"),
        ({None: "x"}, "the key None must be a text; write it in quotes"),
    ],
)
def test_values_that_are_not_json_are_named_with_their_place(value, message):
    finding = out_of_bounds({"workflow": {"nodes": [{}, {"data": value}]}})
    assert (finding.code, finding.message, finding.path) == ("invalid_value", message, "workflow.nodes[1].data")
