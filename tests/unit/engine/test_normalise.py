import pytest

from worker.engine.normalise import identifier, normalise_data


@pytest.mark.parametrize(
    ("value", "text"),
    [("abc", "abc"), (17, "17"), (True, "true"), (False, "false"), (None, ""), (["x"], ""), ({}, ""), (2.0, "2.0")],
)
def test_identifiers_are_texts_however_yaml_reads_them(value, text):
    assert identifier(value) == text


CONDITION = {"variable_selector": ["n", "v"], "comparison_operator": "empty", "value": ""}


@pytest.mark.parametrize(
    ("data", "cases"),
    [
        (
            {"logical_operator": "or", "conditions": [CONDITION]},
            [{"case_id": "true", "logical_operator": "or", "conditions": [CONDITION]}],
        ),
        (
            {"cases": [], "conditions": [CONDITION]},
            [{"case_id": "true", "logical_operator": None, "conditions": [CONDITION]}],
        ),
        (
            {"cases": [{"id": "c1", "conditions": []}], "conditions": [CONDITION], "logical_operator": "and"},
            [{"id": "c1", "case_id": "c1", "conditions": []}],
        ),
        ({"cases": [{"case_id": True}]}, [{"case_id": "true"}]),
        ({"cases": ["odd"]}, ["odd"]),
    ],
)
def test_old_conditions_become_cases(data, cases):
    assert normalise_data("if-else", data) == {"cases": cases}


def test_an_iteration_has_its_defaults_and_keeps_what_is_given():
    data = normalise_data("iteration", {"parallel_nums": 3, "error_handle_mode": None, "output_type": "Array[String]"})
    assert data == {
        "is_parallel": False,
        "parallel_nums": 3,
        "error_handle_mode": "terminated",
        "flatten_output": True,
        "output_type": "array[string]",
    }


@pytest.mark.parametrize(
    ("kind", "items"),
    [
        ("json", [{"key": "", "type": "text", "value": "a: 1\nb:x:y"}]),
        ("raw-text", [{"key": "", "type": "text", "value": "a: 1\nb:x:y"}]),
        ("form-data", [{"key": "a", "type": "text", "value": "1"}, {"key": "b", "type": "text", "value": "x:y"}]),
        ("x-www-form-urlencoded", [{"key": "a", "type": "text", "value": "1"}, {"key": "b", "type": "text", "value": "x:y"}]),
    ],
)
def test_a_body_that_is_one_text_becomes_a_list(kind, items):
    data = {"method": "POST", "body": {"type": kind, "data": "a: 1\nb:x:y"}}
    assert normalise_data("http-request", data) == {"method": "POST", "body": {"type": kind, "data": items}}


@pytest.mark.parametrize(
    ("node_type", "data", "normalised"),
    [
        ("parameter-extractor", {"parameters": [{"type": "bool"}, {"type": "select", "options": ["a"]}, {"type": "number"}]},
         {"parameters": [{"type": "boolean"}, {"type": "string", "options": ["a"]}, {"type": "number"}]}),
        ("llm", {"vision": {"enabled": True, "configs": None}, "prompt_config": None, "structured_output_enabled": True},
         {"vision": {"enabled": True, "configs": {"variable_selector": ["sys", "files"], "detail": "high"}}, "prompt_config": {},
          "structured_output_enabled": True, "structured_output_switch_on": True}),
        ("tool", {"tool_parameters": {"a": None, "b": {"type": "mixed", "value": None}, "c": {"type": "mixed", "value": ""}}},
         {"tool_parameters": {"c": {"type": "mixed", "value": ""}}}),
        ("end", {"outputs": [{"value_type": "Array[File]"}]}, {"outputs": [{"value_type": "array[file]"}]}),
        ("code", {"outputs": {"x": {"type": "Array[String]"}}}, {"outputs": {"x": {"type": "array[string]"}}}),
        ("variable-aggregator", {"output_type": "String"}, {"output_type": "string"}),
        ("template-transform", {"template": "x"}, {"template": "x"}),
    ],
)  # fmt: skip
def test_other_old_shapes(node_type, data, normalised):
    assert normalise_data(node_type, data) == normalised


@pytest.mark.parametrize(
    ("node_type", "key"),
    [("if-else", "cases"), ("http-request", "body"), ("parameter-extractor", "parameters"), ("tool", "tool_parameters"),
     ("end", "outputs"), ("code", "outputs"), ("llm", "vision"), ("iteration", "output_type"), ("variable-aggregator", "output_type")],
)  # fmt: skip
@pytest.mark.parametrize("odd", [5, "text", ["list", 1], True])
def test_values_of_a_wrong_type_are_left_for_the_node_to_report(node_type, key, odd):
    assert normalise_data(node_type, {key: odd})[key] == odd
