import pytest

from worker.engine.declared_types import settle_type, zero_value
from worker.engine.errors import VariableError
from worker.engine.variables import File

FILE = File("document", "local_file", "note.txt", ".txt", "text/plain", 38)


@pytest.mark.parametrize(
    ("declared", "value", "settled"),
    [
        ("string", "", "string"),
        ("number", 1, "integer"),
        ("number", 1.0, "float"),
        ("integer", 1, "integer"),
        ("boolean", False, "boolean"),
        ("object", {}, "object"),
        ("array[string]", ["a"], "array[string]"),
        ("array[number]", [1, 2.5], "array[number]"),
        ("array[any]", [1, "a"], "array[any]"),
        ("array[file]", [FILE], "array[file]"),
        ("array[object]", [], "array[object]"),
        ("array[file]", [], "array[file]"),
    ],
)
def test_a_value_that_fits_settles_the_type(declared, value, settled):
    assert settle_type(declared, value) == settled


@pytest.mark.parametrize(
    ("declared", "value", "text"),
    [
        ("string", None, "Type mismatch: expected string, but got none, value=None"),
        ("number", True, "Type mismatch: expected number, but got boolean, value=True"),
        ("integer", 1.0, "Type mismatch: expected integer, but got float, value=1.0"),
        ("object", [], "Type mismatch: expected object, but got array[any], value=[]"),
        ("array[string]", ["a", None], "Type mismatch: expected array[string], but got array[any], value=['a', None]"),
        ("array[boolean]", [1], "Type mismatch: expected array[boolean], but got array[number], value=[1]"),
    ],
)
def test_a_value_that_does_not_fit_is_refused(declared, value, text):
    with pytest.raises(VariableError) as caught:
        settle_type(declared, value)
    assert str(caught.value) == text


@pytest.mark.parametrize(
    ("kind", "value"),
    [("string", ""), ("integer", 0), ("float", 0.0), ("boolean", False), ("object", {}), ("array[any]", []), ("array[object]", [])],
)
def test_empty_values(kind, value):
    found = zero_value(kind)
    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize("kind", ["array[file]", "file", "none", "secret"])
def test_some_types_have_no_empty_value(kind):
    with pytest.raises(VariableError, match=r"^unsupported variable type: "):
        zero_value(kind)
