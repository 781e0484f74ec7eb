import pytest

from worker.engine.errors import VariableError
from worker.nodes.assigner_operations import OPERATIONS, check_support, checked_value, result_of

ARRAYS = ["array[string]", "array[number]", "array[object]", "array[boolean]", "array[any]", "array[file]"]
NUMBERS = ["integer", "float"]
SETTABLE = ["string", "boolean", "object", *NUMBERS]
OTHERS = ["file", "none", "secret"]
EVERY = [*SETTABLE, *ARRAYS, *OTHERS]

#: Types that each operation is for, and from which inputs.
SUPPORTED = {
    ("over-write", "variable"): EVERY,
    ("over-write", "constant"): SETTABLE,
    ("set", "variable"): [],
    ("set", "constant"): SETTABLE,
    ("clear", "variable"): EVERY,
    ("clear", "constant"): [],
    **{(name, "variable"): ARRAYS for name in ("append", "extend", "remove-first", "remove-last")},
    **{(name, "constant"): [] for name in ("append", "extend", "remove-first", "remove-last")},
    **{(name, "variable"): [] for name in ("+=", "-=", "*=", "/=")},
    **{(name, "constant"): NUMBERS for name in ("+=", "-=", "*=", "/=")},
}


def supports(operation, input_type, kind):
    try:
        check_support(operation, input_type, kind)
    except VariableError:
        return False
    return True


def test_every_operation_is_told_of():
    assert {operation for operation, _ in SUPPORTED} == set(OPERATIONS)


@pytest.mark.parametrize(("operation", "input_type"), SUPPORTED)
def test_operations_fit_these_types_and_inputs(operation, input_type):
    assert [kind for kind in EVERY if supports(operation, input_type, kind)] == SUPPORTED[operation, input_type]


@pytest.mark.parametrize(
    ("operation", "input_type", "kind", "text"),
    [
        ("+=", "constant", "string", "Operation += is not supported for type string"),
        ("append", "variable", "integer", "Operation append is not supported for type integer"),
        ("set", "constant", "array[string]", "Operation set is not supported for type array[string]"),
        ("set", "variable", "string", "Input type variable is not supported for operation set"),
        ("*=", "variable", "float", "Input type variable is not supported for operation *="),
        ("remove-last", "constant", "array[any]", "Input type constant is not supported for operation remove-last"),
    ],
)
def test_refusals_name_operation_and_type(operation, input_type, kind, text):
    with pytest.raises(VariableError) as caught:
        check_support(operation, input_type, kind)
    assert str(caught.value) == text


@pytest.mark.parametrize(
    ("operation", "kind", "value"),
    [
        ("over-write", "string", ""),
        ("over-write", "integer", 1.5),
        ("over-write", "float", True),
        ("over-write", "boolean", False),
        ("over-write", "object", {}),
        ("over-write", "array[string]", []),
        ("over-write", "array[string]", ["a"]),
        ("over-write", "array[number]", [1, 2.5, True]),
        ("over-write", "array[any]", ["a", 1, 1.5, {}, True]),
        ("extend", "array[boolean]", [True]),
        ("append", "array[string]", "a"),
        ("append", "array[number]", 1.5),
        ("append", "array[object]", {}),
        ("append", "array[boolean]", False),
        ("append", "array[any]", {}),
        ("+=", "integer", 1),
        ("/=", "float", 0.5),
    ],
)
def test_values_that_fit_are_taken_as_they_are(operation, kind, value):
    assert checked_value(operation, kind, value) is value


@pytest.mark.parametrize(
    ("operation", "kind", "value"),
    [
        ("over-write", "string", 1),
        ("over-write", "string", None),
        ("over-write", "integer", "1"),
        ("over-write", "boolean", 1),
        ("over-write", "object", "{}"),
        ("over-write", "array[string]", ["a", 1]),
        ("over-write", "array[string]", "a"),
        ("over-write", "array[any]", [None]),
        ("over-write", "array[any]", [["nested"]]),
        ("over-write", "array[file]", []),
        ("over-write", "none", "x"),
        ("over-write", "file", {}),
        ("append", "array[string]", ["a"]),
        ("append", "array[number]", "1"),
        ("append", "array[boolean]", 1),
        ("append", "array[any]", None),
        ("append", "array[any]", ["a"]),
        ("append", "array[file]", {}),
        ("extend", "array[string]", "a"),
        ("extend", "array[object]", [1]),
        ("set", "string", 1),
        ("+=", "integer", "1"),
        ("/=", "integer", 0),
        ("/=", "integer", 0.0),
        ("/=", "float", False),
    ],
)
def test_values_that_do_not_fit_are_refused(operation, kind, value):
    with pytest.raises(VariableError) as caught:
        checked_value(operation, kind, value)
    assert str(caught.value) == f"Invalid input value {value}"


def test_an_object_is_set_from_json_text():
    assert checked_value("set", "object", '{"a": 1}') == {"a": 1}


@pytest.mark.parametrize(("text", "shown"), [("{", "{"), ("[1]", "[1]"), ('"{}"', "{}"), ("null", "None")])
def test_other_texts_set_no_object(text, shown):
    with pytest.raises(VariableError) as caught:
        checked_value("set", "object", text)
    assert str(caught.value) == f"Invalid input value {shown}"


@pytest.mark.parametrize("value", [None, "anything", []])
def test_operations_without_a_value_ignore_it(value):
    assert checked_value("remove-first", "array[string]", value) is value


@pytest.mark.parametrize(
    ("operation", "kind", "old", "new", "result"),
    [
        ("over-write", "string", "a", "b", "b"),
        ("set", "integer", 1, 2, 2),
        ("clear", "integer", 5, None, 0),
        ("clear", "float", 5.5, None, 0.0),
        ("clear", "array[string]", ["a"], None, []),
        ("append", "array[number]", [1], 2, [1, 2]),
        ("extend", "array[number]", [1], [2, 3], [1, 2, 3]),
        ("remove-first", "array[number]", [1, 2, 3], None, [2, 3]),
        ("remove-last", "array[number]", [1, 2, 3], None, [1, 2]),
        ("remove-first", "array[number]", [], None, []),
        ("remove-last", "array[number]", [], None, []),
        ("+=", "integer", 42, 4, 46),
        ("+=", "integer", 1, 0.5, 1.5),
        ("-=", "float", 1.5, 1, 0.5),
        ("*=", "integer", 3, 4, 12),
        ("*=", "integer", 3, True, 3),
        ("/=", "integer", 42, 4, 10.5),
        ("/=", "integer", 42, 42, 1.0),
    ],
)
def test_what_operations_make(operation, kind, old, new, result):
    found = result_of(operation, kind, old, new)
    assert (found, type(found)) == (result, type(result))


def test_the_old_list_stays_as_it_was():
    old = [1]
    result_of("append", "array[number]", old, 2)
    result_of("extend", "array[number]", old, [2])
    assert old == [1]


@pytest.mark.parametrize(
    ("old", "operation", "new"), [(1e308, "*=", 10), (10**300, "*=", 10**300), (10**400, "/=", 3), (1e308, "+=", 1e308)]
)
def test_a_number_that_no_reader_of_json_could_hold_is_refused(old, operation, new):
    with pytest.raises(VariableError, match="too large"):
        result_of(operation, "integer", old, new)


def test_a_list_of_files_cannot_be_cleared():
    with pytest.raises(VariableError, match=r"unsupported variable type: array\[file\]"):
        result_of("clear", "array[file]", [], None)
