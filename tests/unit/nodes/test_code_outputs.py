"""The table of nodes.md section 6.5, message by message."""

from typing import Any

import pytest

from worker.engine.errors import NodeError
from worker.engine.limits import Limits
from worker.nodes.code_outputs import Output, checked_result

FREE = Output("object")


def check(kind: str, value: Any, children: dict[str, Output] | None = None, limits: Limits | None = None) -> Any:
    """The value of the one output ``x``."""
    return checked_result({"x": value}, {"x": Output(kind, children)}, limits or Limits())["x"]


def failure(kind: str, value: Any, children: dict[str, Output] | None = None, limits: Limits | None = None) -> tuple[str, str]:
    with pytest.raises(NodeError) as caught:
        check(kind, value, children, limits)
    return caught.value.message, caught.value.error_type


def invalid(kind: str, value: Any, children: dict[str, Output] | None = None, limits: Limits | None = None) -> str:
    message, error_type = failure(kind, value, children, limits)
    assert error_type == "OutputValidationError"
    return message


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("string", "text"),
        ("number", 1),
        ("number", 2.5),
        ("number", 2**63 - 1),
        ("number", -(2**63)),
        ("number", 1e-20),
        ("boolean", True),
        ("boolean", "declared booleans are not checked"),
        ("object", {"k": [1, 2], "n": None, "s": {"z": "y"}}),
        ("array[string]", ["x", None]),
        ("array[string]", []),
        ("array[number]", [1, 2.5]),
        ("array[object]", [{"i": 1}, None]),
        ("array[boolean]", [True, None] * 500),
    ],
)
def test_value_of_its_type_is_kept(kind, value):
    assert check(kind, value) == value


@pytest.mark.parametrize(
    "kind", ["string", "number", "boolean", "object", "array[string]", "array[number]", "array[object]", "array[boolean]"]
)
def test_null_is_allowed_for_every_type(kind):
    assert check(kind, None) is None


def test_numbers_keep_their_kind_but_booleans_become_integers():
    assert repr([check("number", value) for value in (1.0, 1, True, False)]) == "[1.0, 1, 1, 0]"
    assert repr(check("array[number]", [1.0, True])) == "[1.0, 1]"


def test_nul_characters_are_removed_from_texts():
    assert check("string", "a\0b") == "ab"
    assert check("array[string]", ["\0", "a\0"]) == ["", "a"]


def test_result_must_be_a_mapping():
    for value, kind in (([1], "list"), ("text", "str"), (None, "NoneType"), (3, "int")):
        with pytest.raises(NodeError, match=f"^Result must be a dict, got {kind}$"):
            checked_result(value, {}, Limits())


def test_outputs_keep_the_order_of_their_declaration():
    declared = {"b": Output("number"), "a": Output("number")}

    assert list(checked_result({"a": 1, "b": 2}, declared, Limits())) == ["b", "a"]


def test_every_declared_output_must_be_there():
    with pytest.raises(NodeError, match=r"^Output b is missing\.$"):
        checked_result({"a": 1}, {"a": Output("number"), "b": Output("string")}, Limits())


def test_first_declared_output_that_is_wrong_is_named():
    declared = {"a": Output("number"), "b": Output("string")}

    with pytest.raises(NodeError, match=r"^Output a is not a number, got <class 'str'> instead\.$"):
        checked_result({"a": "1"}, declared, Limits())


def test_no_undeclared_output_may_be_there():
    with pytest.raises(NodeError, match=r"^Not all output parameters are validated\.$"):
        checked_result({"a": 1, "extra": 1}, {"a": Output("number")}, Limits())


@pytest.mark.parametrize(
    ("kind", "value", "message"),
    [
        ("string", 5, "Output x must be a string, got int instead"),
        ("string", ["a"], "Output x must be a string, got list instead"),
        ("number", "5", "Output x is not a number, got <class 'str'> instead."),
        ("object", [1], "Output x is not an object, got <class 'list'> instead."),
        ("array[string]", "a", "Output x is not an array, got <class 'str'> instead."),
        ("array[number]", {"a": 1}, "Output x is not an array, got <class 'dict'> instead."),
        ("array[object]", 1, "Output x is not an array, got <class 'int'> instead."),
        ("array[boolean]", True, "Output x is not an array, got <class 'bool'> instead."),
        ("array[number]", [1, None], "The element at index 1 of output variable `x` must be a number."),
        ("array[number]", ["1"], "The element at index 0 of output variable `x` must be a number."),
        ("array[object]", [{}, "a"], "Output x[1] is not an object, got <class 'str'> instead at index 1."),
        ("array[boolean]", [True, 1], "Output x[1] is not a boolean, got <class 'int'> instead."),
    ],
)
def test_value_of_another_type_is_refused(kind, value, message):
    assert invalid(kind, value) == message


@pytest.mark.parametrize(
    ("item", "message", "error_type"),
    [
        (1, "object of type 'int' has no len()", "TypeError"),
        (1.5, "object of type 'float' has no len()", "TypeError"),
        (True, "object of type 'bool' has no len()", "TypeError"),
        (["a"], "'list' object has no attribute 'replace'", "AttributeError"),
        ({}, "'dict' object has no attribute 'replace'", "AttributeError"),
    ],
)
def test_item_that_is_no_text_shows_pythons_complaint(item, message, error_type):
    assert failure("array[string]", ["a", item]) == (message, error_type)


@pytest.mark.parametrize(
    ("kind", "fits", "exceeds", "message"),
    [
        ("string", "x" * 400_000, "x" * 400_001, "The length of output variable `x` must be less than 400000 characters"),
        ("array[string]", ["a"] * 30, ["a"] * 31, "The length of output variable `x` must be less than 30 elements."),
        ("array[number]", [1] * 1000, [1] * 1001, "The length of output variable `x` must be less than 1000 elements."),
        ("array[object]", [{}] * 30, [{}] * 31, "The length of output variable `x` must be less than 30 elements."),
    ],
)
def test_length_limits_fail_when_they_are_exceeded(kind, fits, exceeds, message):
    assert check(kind, fits) == fits
    assert invalid(kind, exceeds) == message


def test_limits_can_be_set():
    assert check("array[string]", ["a"] * 31, limits=Limits(code_max_string_array_length=31)) == ["a"] * 31
    assert "between 0 and 9." in invalid("number", 10, limits=Limits(code_min_number=0, code_max_number=9))


@pytest.mark.parametrize(("kind", "value", "name"), [("number", 2**63, "x"), ("number", -1e19, "x"), ("array[number]", [1, 2**64], "x[1]")])
def test_numbers_outside_of_64_bits_are_refused(kind, value, name):
    assert invalid(kind, value) == (
        f"Output variable `{name}` is out of range, it must be between -9223372036854775808 and 9223372036854775807."
    )


def test_floats_of_too_many_decimals_are_refused():
    assert invalid("number", 1e-21) == "Output variable `x` has too high precision, it must be less than 20 digits."


@pytest.mark.parametrize("text", ["1e+5", "-1e-5", "1.25E+10", "1.e+3"])
def test_texts_in_scientific_notation_become_floats(text):
    assert check("number", text) == float(text)
    assert invalid("string", text) == "Output x must be a string, got float instead"
    assert check("object", {"a": {"b": [[text]]}}) == {"a": {"b": [[float(text)]]}}


@pytest.mark.parametrize("text", ["1e5", "e+5", "1e+5 ", "+1e+5", "1e+9999", "0x1e+5", "\u0661e+5"])
def test_other_texts_stay(text):
    assert check("string", text) == text


def test_declared_keys_of_objects_are_checked_like_outputs():
    children = {"n": Output("number"), "o": Output("object", {"t": Output("string")})}

    assert check("object", {"n": True, "o": {"t": "a"}}, children) == {"n": 1, "o": {"t": "a"}}
    assert invalid("object", {"o": {}}, children) == "Output .x.n is missing."
    assert invalid("object", {"n": 1, "o": {"t": 5}}, children) == "Output .x.o.t must be a string, got int instead"
    assert invalid("object", {"n": 1, "o": None, "more": 1}, children) == "Not all output parameters are validated."
    assert invalid("array[object]", [None, {"n": "1"}], children) == "Output x[1].n is not a number, got <class 'str'> instead."


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"k": 2**63}, "Output variable `.x.k` is out of range, it must be between -9223372036854775808 and 9223372036854775807."),
        ({"k": {"l": "x" * 400_001}}, "The length of output variable `.x.k.l` must be less than 400000 characters"),
        ({"k": [1, "a"]}, "Output .x.k is not a valid array. make sure all elements are of the same type."),
        ({"k": [{}, 1]}, "Output .x.k is not a valid array. make sure all elements are of the same type."),
        ({"k": [0.5, 1e-21]}, "Output variable `.x.k[1]` has too high precision, it must be less than 20 digits."),
        ({"k": [{"l": 1e-21}]}, "Output variable `.x.k[0].l` has too high precision, it must be less than 20 digits."),
        ({"k": [["a"], ["b", 1]]}, "Output .x.k[1] is not a valid array. make sure all elements are of the same type."),
    ],
)
def test_free_objects_obey_the_same_limits(value, message):
    assert invalid("object", value) == message


@pytest.mark.parametrize("items", [[], [None, 1, "a"], [1, 2.5, True, None], ["a", None], [{}, None, {}], [[1], [], ["a"]]])
def test_lists_in_free_objects_are_of_one_kind_judged_by_the_first(items):
    assert check("object", {"k": items}) == {"k": items}


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("object", {"a": {"b": {"c": {"d": {"e": 1}}}}}),
        ("object", {"a": [{"b": [{"c": [{"d": 1}]}]}]}),
        ("object", {"a": [[[[]]]]}),
        ("array[object]", [{"a": {"b": {"c": {"d": 1}}}}]),
    ],
)
def test_objects_have_a_depth_limit(kind, value):
    message, error_type = failure(kind, {"over": value} if kind == "object" else [{"over": value[0]}])

    assert (message, error_type) == ("Depth limit 5 reached, object too deep.", "DepthLimitError")


def test_depth_counts_the_result_itself():
    assert check("object", {"a": {"b": {"c": {"d": 1}}}})
    assert failure("object", {"a": {"b": {"c": {"d": {}}}}})[1] == "DepthLimitError"
