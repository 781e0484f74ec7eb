import pytest

from worker.engine.conditions import Condition, FileCondition, FileConditions, evaluate
from worker.engine.errors import VariableError
from worker.engine.templates import Template
from worker.engine.variables import File, Secret, VariablePool

NOTE = File("document", "local_file", "note.txt", ".txt", "text/plain", 38, related_id="f1")
CAT = File("image", "remote_url", "cat.PNG", ".png", "image/png", 70, remote_url="https://files.example/cat.PNG")


def condition(operator, expected="", selector=("n", "v"), sub_conditions=None):
    written = Template.parse(expected) if isinstance(expected, str) else expected
    return Condition(selector, operator, written, sub_conditions)


def pool_of(value):
    pool = VariablePool()
    pool.set("n", "v", value)
    return pool


def judge(value, operator, expected="", sub_conditions=None):
    return evaluate([condition(operator, expected, sub_conditions=sub_conditions)], "and", pool_of(value)).result


@pytest.mark.parametrize(
    ("actual", "operator", "expected", "result"),
    [
        ("hello", "contains", "ell", True),
        ("hello", "contains", "ELL", False),
        ("", "contains", "", False),
        (None, "contains", "x", False),
        (["a", "b"], "contains", "a", True),
        (["a", "b"], "contains", "ab", False),
        ([1, 2], "contains", "2", False),
        ([True, False], "contains", "true", True),
        ([True], "contains", "0", False),
        ([True], "contains", False, False),
        ("hello", "not contains", "ell", False),
        ("", "not contains", "x", True),
        (0, "not contains", "x", True),
        (["a"], "not contains", "b", True),
        ("hello", "start with", "he", True),
        ("hello", "start with", "", True),
        ("", "start with", "", False),
        (None, "start with", "", False),
        ("hello", "end with", "lo", True),
        ("hello", "end with", "he", False),
        ("a", "is", "a", True),
        ("a", "is", "A", False),
        ("", "is", "", True),
        (None, "is", "", False),
        (True, "is", "true", True),
        (True, "is", True, True),
        (False, "is", "0", True),
        (True, "is", "7", True),
        ("a", "is not", "b", True),
        ("a", "is not", "a", False),
        (None, "is not", "a", False),
        (False, "is not", "true", True),
        ("", "empty", "", True),
        (0, "empty", "", True),
        (0.0, "empty", "", True),
        (None, "empty", "", True),
        ([], "empty", "", True),
        ({}, "empty", "", True),
        ("0", "empty", "", False),
        (False, "empty", None, True),
        (["x"], "not empty", "", True),
        ({}, "not empty", "", False),
        ("a", "in", ["a", "b"], True),
        ("c", "in", ["a", "b"], False),
        ("", "in", ["", "b"], False),
        ("a", "not in", ["b"], True),
        ("a", "not in", ["a"], False),
        (None, "not in", ["a"], True),
        (["a", "b", "c"], "all of", ["a", "b"], True),
        (["a", "b"], "all of", ["a", "q"], False),
        ("abc", "all of", ["a", "bc"], True),
        ([True, False], "all of", [True, False], True),
        ([True], "all of", [False], False),
        (None, "all of", ["a"], False),
        (5, "=", "5", True),
        (5, "=", " 5 ", True),
        (5, "=", "6", False),
        (5.0, "=", "5", True),
        (5.5, "=", "5.5", True),
        (True, "=", "1", True),
        (None, "=", "5", False),
        (5, "≠", "6", True),
        (5, "≠", "5", False),
        (None, "≠", "5", False),
        (5, ">", "4.5", True),
        (5, ">", "5", False),
        (5.5, ">", "5", True),
        (4, "<", "4.5", True),
        (-1, "<", "0", True),
        (5, "≥", "5", True),
        (5, "≥", "5.0", True),
        (5, "≤", "4.9", False),
        (None, ">", "1", False),
        (9_007_199_254_740_993, ">", "9007199254740992", True),
        (None, "null", "", True),
        (0, "null", "", False),
        ("", "not null", "", True),
        (None, "not null", "", False),
        (None, "exists", "", False),
        ("", "exists", "", True),
        (None, "not exists", "", True),
    ],
)
def test_operators(actual, operator, expected, result):
    assert judge(actual, operator, expected) is result


@pytest.mark.parametrize(
    ("actual", "operator", "expected", "message"),
    [
        (5, "contains", "5", "Invalid actual value type: string or array"),
        ({"a": 1}, "not contains", "a", "Invalid actual value type: string or array"),
        (5, "start with", "5", "Invalid actual value type: string"),
        (["a"], "end with", "a", "Invalid actual value type: string"),
        ("a", "start with", ["a"], "Invalid expected value type: string"),
        (5, "is", "5", "Invalid actual value type: string or boolean"),
        ([], "is not", "x", "Invalid actual value type: string or boolean"),
        ("a", "in", "abc", "Invalid expected value type: array"),
        ("a", "not in", "abc", "Invalid expected value type: array"),
        ("a", "all of", "a", "Unsupported operator: all of"),
        (None, "all of", "", "Unsupported operator: all of"),
        (5, "all of", ["5"], "Invalid actual value type: string or array"),
        ("5", "=", "5", "Invalid actual value type: number or boolean"),
        ("5", "≠", "5", "Invalid actual value type: number or boolean"),
        ("5", ">", "5", "Invalid actual value type: number"),
        (5, "=", "5.5", "invalid literal for int() with base 10: '5.5'"),
        (5, "=", "5.0", "invalid literal for int() with base 10: '5.0'"),
        (5.5, "=", "x", "could not convert string to float: 'x'"),
        (5, ">", "x", "Cannot convert 'x' to number"),
        (5, "<", None, "Cannot convert 'None' to number"),
        (True, "is", "maybe", "Expecting value: line 1 column 1 (char 0)"),
        (True, "is", "1.5", "unexpected value: type=<class 'str'>, value=1.5"),
    ],
)
def test_values_of_a_wrong_type_fail(actual, operator, expected, message):
    with pytest.raises(VariableError) as caught:
        judge(actual, operator, expected)
    assert caught.value.message == message


def test_a_list_of_mixed_kinds_cannot_be_looked_for():
    with pytest.raises(VariableError, match="Invalid expected value type"):
        judge(["a"], "all of", ["a", True])


@pytest.mark.parametrize("operator", ["is", "empty", "exists", "not exists", "contains"])
def test_a_missing_variable_fails_whatever_the_operator(operator):
    with pytest.raises(VariableError) as caught:
        evaluate([condition(operator, selector=("n", "k", "deep"))], "and", pool_of("x"))
    assert caught.value.message == "Variable ['n', 'k', 'deep'] not found"


def test_the_expected_value_is_a_template_and_list_items_are_none():
    pool = pool_of("hello")
    pool.set("m", "part", "ell")
    assert evaluate([condition("contains", "{{#m.part#}}")], "and", pool).result
    assert evaluate([condition("contains", "{{#m.ghost#}}")], "and", pool).inputs[0]["expected_value"] == "m.ghost"
    assert not evaluate([condition("in", ["{{#n.v#}}"])], "and", pool).result


@pytest.mark.parametrize(("logic", "result"), [("and", True), ("or", False)])
def test_no_conditions_at_all(logic, result):
    verdict = evaluate([], logic, VariablePool())
    assert (verdict.result, verdict.results, verdict.inputs) == (result, [], [])


@pytest.mark.parametrize(
    ("logic", "operators", "results", "result"),
    [
        ("and", ["exists", "empty", "not null"], [True, False], False),
        ("and", ["exists", "not empty"], [True, True], True),
        ("or", ["empty", "exists", "empty"], [False, True], True),
        ("or", ["empty", "null"], [False, False], False),
    ],
)
def test_evaluation_stops_at_the_first_condition_that_decides(logic, operators, results, result):
    verdict = evaluate([condition(operator) for operator in operators], logic, pool_of("x"))
    assert (verdict.results, verdict.result) == (results, result)


def test_what_is_behind_the_deciding_condition_cannot_fail():
    conditions = [condition("is", "x"), condition(">", "5")]
    assert evaluate(conditions, "or", pool_of("x")).result


def test_inputs_show_values_with_their_types_but_no_existence_tests():
    pool = pool_of(5)
    pool.set("n", "flag", True)
    conditions = [condition("exists"), condition("=", "5"), condition("is", "true", selector=("n", "flag")), condition("≥", None)]
    with pytest.raises(VariableError):
        evaluate(conditions, "and", pool)
    verdict = evaluate(conditions[:3], "and", pool)
    assert verdict.inputs == [
        {"actual_value": 5, "expected_value": "5", "comparison_operator": "="},
        {"actual_value": True, "expected_value": True, "comparison_operator": "is"},
    ]


def test_a_secret_compares_as_its_text_and_stays_typed_in_the_inputs():
    verdict = evaluate([condition("is", "key-1234")], "and", pool_of(Secret("key-1234")))
    assert verdict.result
    assert isinstance(verdict.inputs[0]["actual_value"], Secret)


def files_where(*conditions, logic="and"):
    return FileConditions(logic, [FileCondition(*item) for item in conditions])


@pytest.mark.parametrize(
    ("sub_conditions", "result"),
    [
        (files_where(("type", "in", ["image", "audio"])), True),
        (files_where(("type", "in", ["audio"])), False),
        # Operators with "not" must hold for every file, the others for any.
        (files_where(("type", "not in", ["image"])), False),
        (files_where(("type", "not in", ["audio"])), True),
        (files_where(("name", "contains", "note")), True),
        (files_where(("name", "not contains", "note")), False),
        (files_where(("size", ">", "50")), True),
        (files_where(("size", ">", 69.5)), True),
        (files_where(("size", ">", "70")), False),
        (files_where(("extension", "is", "txt")), True),
        (files_where(("extension", "is", ".txt")), True),
        (files_where(("url", "start with", "https://files.example")), True),
        (files_where(("related_id", "null", None)), True),
        (files_where(("name", "is", "note.txt"), ("size", ">", "1000")), False),
        (files_where(("name", "is", "note.txt"), ("size", ">", "1000"), logic="or"), True),
        (files_where(), True),
    ],
)
@pytest.mark.parametrize("operator", ["contains", "not contains", "all of"])
def test_lists_of_files_are_judged_by_their_sub_conditions(operator, sub_conditions, result):
    verdict = evaluate([condition(operator, sub_conditions=sub_conditions)], "and", pool_of([NOTE, CAT]))
    assert verdict.result is result
    assert verdict.inputs == []


def test_a_list_of_files_needs_sub_conditions():
    with pytest.raises(VariableError, match="Sub variable is required"):
        judge([NOTE], "contains", "note")


def test_an_extension_is_compared_with_a_text():
    with pytest.raises(VariableError, match="must be a text"):
        judge([NOTE], "contains", "", files_where(("extension", "in", ["txt"])))


@pytest.mark.parametrize(("operator", "result"), [("is", False), ("not contains", True)])
def test_an_empty_list_of_files_is_judged_by_its_sub_conditions(operator, result):
    assert judge([], "contains", "", files_where(("name", operator, "x"))) is result


def test_sub_conditions_of_other_values_are_ignored():
    assert judge("abc", "contains", "b", files_where(("name", "is", "x")))
    with pytest.raises(VariableError, match="Unsupported operator: all of"):
        judge(None, "all of", "", files_where(("name", "is", "x")))
