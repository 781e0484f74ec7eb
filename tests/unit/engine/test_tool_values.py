import pytest

from worker.engine.errors import NodeError
from worker.engine.tool_values import cast_value, prepare
from worker.engine.tools import ToolParameter


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        ("string", 5, "5"),
        ("string", None, None),
        ("string", {"a": "é"}, '{"a": "é"}'),
        ("select", True, "True"),
        ("secret-input", "x", "x"),
        ("boolean", "YES", True),
        ("boolean", "y", True),
        ("boolean", "0", False),
        ("boolean", "No", False),
        ("boolean", "", False),
        ("boolean", "other", True),
        ("boolean", 0, False),
        ("number", "5", 5),
        ("number", " 5.0 ", 5.0),
        ("number", "1e3", 1000.0),
        ("number", 7, 7),
        ("number", "", None),
        ("file", ["one"], "one"),
        ("file", "one", "one"),
        ("files", "one", ["one"]),
        ("files", ["one", "two"], ["one", "two"]),
        ("array", "[1, 2]", [1, 2]),
        ("array", "x", ["x"]),
        ("array", [1], [1]),
        ("object", '{"a": 1}', {"a": 1}),
        ("object", "no", {}),
        ("object", {"a": 1}, {"a": 1}),
        ("any", 5, 5),
    ],
)
def test_casts(kind, value, expected):
    found = cast_value(ToolParameter("p", kind), value)

    assert found == expected
    assert type(found) is type(expected)


@pytest.mark.parametrize(("kind", "value"), [("number", "x"), ("number", True), ("number", [1]), ("file", [1, 2]), ("file", [])])
def test_what_does_not_fit_is_refused(kind, value):
    with pytest.raises(NodeError, match=f"of p is not in correct type of {kind}"):
        cast_value(ToolParameter("p", kind), value)


def test_defaults_stand_in_for_missing_and_blank_values():
    parameters = [ToolParameter("a", "number", default="3"), ToolParameter("b"), ToolParameter("c", default="x")]

    assert prepare(parameters, {"a": "", "c": "", "d": 1}) == {"a": 3, "c": ""}
