"""nodes.md section 6.10: what becomes of the object in a model's answer."""

import math

import pytest

from worker.nodes.extractor_parameters import Parameter
from worker.nodes.extractor_values import first_fault, in_declared_types


def parameter(kind, name="p", *, required=True, options=()):
    return Parameter(name, kind, "", required, options)


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("string", ""),
        ("number", 1),
        ("number", 1.5),
        ("number", True),
        ("boolean", False),
        ("array[string]", []),
        ("array[string]", ["a"]),
        ("array[number]", [1, 2.5, True]),
        ("array[object]", [{}]),
        ("array[boolean]", [True]),
    ],
)
def test_values_of_the_declared_type_are_fine(kind, value):
    assert first_fault([parameter(kind)], {"p": value}) is None


@pytest.mark.parametrize(
    ("kind", "value", "actual"),
    [
        ("string", 5, "actual_type: integer, python_type: <class 'int'>, value: 5"),
        ("string", None, "actual_type: none, python_type: <class 'NoneType'>, value: None"),
        ("number", "5", "actual_type: string, python_type: <class 'str'>, value: 5"),
        ("boolean", 1, "actual_type: integer, python_type: <class 'int'>, value: 1"),
        ("array[string]", "a", "actual_type: string, python_type: <class 'str'>, value: a"),
        ("array[string]", ["a", 1], "actual_type: array[any], python_type: <class 'list'>, value: ['a', 1]"),
        ("array[object]", {"a": 1}, "actual_type: object, python_type: <class 'dict'>, value: {'a': 1}"),
        ("array[boolean]", [0], "actual_type: array[number], python_type: <class 'list'>, value: [0]"),
    ],
)
def test_values_of_another_type_are_a_fault(kind, value, actual):
    fault = first_fault([parameter(kind)], {"p": value})
    assert fault == f"Invalid value for parameter p, expected segment type: {kind}, {actual}"


@pytest.mark.parametrize("found", [{}, {"p": "a", "q": "b"}])
def test_there_must_be_as_many_keys_as_parameters(found):
    assert first_fault([parameter("string")], found) == "Invalid number of parameters"


def test_a_required_parameter_must_be_there():
    assert first_fault([parameter("string")], {"q": "b"}) == "Parameter p is required"


def test_an_optional_parameter_that_is_not_there_has_no_valid_value():
    fault = first_fault([parameter("string", required=False)], {"q": "b"})
    assert fault is not None
    assert fault.startswith("Invalid value for parameter p, expected segment type: string, actual_type: none")


@pytest.mark.parametrize(("value", "fault"), [("red", None), ("Red", "Invalid `select` value for parameter p")])
def test_only_the_options_are_allowed(value, fault):
    assert first_fault([parameter("string", options=("red", "blue"))], {"p": value}) == fault


def test_the_first_fault_in_order_of_declaration_is_told():
    found = {"a": 1, "b": "x"}
    assert "parameter a" in (first_fault([parameter("string", "a"), parameter("number", "b")], found) or "")


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        ("number", 7, 7),
        ("number", 7.0, 7.0),
        ("number", True, 1),
        ("number", "42", 42),
        ("number", " -3 ", -3),
        ("number", "4.50", 4.5),
        ("number", "1e3", 0),
        ("number", "about five", 0),
        ("number", "", 0),
        ("number", None, 0),
        ("number", [1], 0),
        ("number", math.inf, 0),
        ("number", "9.9e999", 0),
        ("number", "1" * 5000, 0),
        ("boolean", True, True),
        ("boolean", 0, False),
        ("boolean", 2, True),
        ("boolean", "true", False),
        ("boolean", 1.0, False),
        ("boolean", None, False),
        ("string", "a", "a"),
        ("string", 5, ""),
        ("string", None, ""),
        ("array[string]", ["a", 1, None, "b"], ["a", "b"]),
        ("array[string]", "a", []),
        ("array[string]", None, []),
        ("array[number]", [1, "2", "3.5", "x", None, True], [1, 2, 3.5, 1]),
        ("array[object]", [{"a": 1}, "x", [], {}], [{"a": 1}, {}]),
        ("array[boolean]", [True, 1, "true", False], [True, False]),
    ],
)
def test_values_are_brought_into_the_declared_type_or_replaced_by_its_default(kind, value, expected):
    converted = in_declared_types([parameter(kind)], {"p": value})["p"]
    assert converted == expected
    assert type(converted) is type(expected)


def test_what_is_missing_gets_a_default_and_what_was_not_asked_for_is_dropped():
    parameters = [parameter("string", "s"), parameter("array[object]", "o"), parameter("number", "n"), parameter("boolean", "b")]
    assert in_declared_types(parameters, {"other": 1}) == {"s": "", "o": [], "n": 0, "b": False}
