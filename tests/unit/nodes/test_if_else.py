import pytest

from worker.engine.errors import GraphError, NodeError
from worker.engine.node import NodeSpec
from worker.engine.variables import File, VariablePool
from worker.nodes.if_else import IfElseNode


def if_else(*cases):
    return IfElseNode(NodeSpec("sw", "if-else", "Switch", "1", {"cases": list(cases)}, path="workflow.graph.nodes[1]"))


def case(case_id, *conditions, logic="and"):
    return {"case_id": case_id, "logical_operator": logic, "conditions": list(conditions)}


def where(operator, value="", selector=("start", "n"), **more):
    return {"id": "c", "varType": "number", "variable_selector": list(selector), "comparison_operator": operator, "value": value, **more}


@pytest.fixture
def pool():
    pool = VariablePool()
    pool.add_outputs("start", {"n": 5, "text": "hello", "files": [File("image", "local_file", "a.png", ".png", "image/png", 1)]})
    return pool


CASES = [case("true", where(">", "10")), case("3f2a", where(">", "3"), where("<", "7")), case("last", where(">", "0"))]


def test_the_first_case_that_is_true_is_taken(pool):
    result = if_else(*CASES).run(pool, None)
    assert result.handle == "3f2a"
    assert result.outputs == {"result": True, "selected_case_id": "3f2a"}


def test_without_a_true_case_the_else_exit_is_taken(pool):
    result = if_else(CASES[0]).run(pool, None)
    assert result.handle == "false"
    assert result.outputs == {"result": False, "selected_case_id": "false"}


def test_inputs_are_the_conditions_of_the_last_case_looked_at(pool):
    assert if_else(*CASES).run(pool, None).inputs == {
        "conditions": [
            {"actual_value": 5, "expected_value": "3", "comparison_operator": ">"},
            {"actual_value": 5, "expected_value": "7", "comparison_operator": "<"},
        ]
    }


def test_process_data_tells_of_every_case_looked_at(pool):
    told = if_else(*CASES).run(pool, None).process_data["condition_results"]
    assert [(item["group"]["case_id"], item["results"], item["final_result"]) for item in told] == [
        ("true", [False], False),
        ("3f2a", [True, True], True),
    ]
    assert told[0]["group"] == {
        "case_id": "true",
        "logical_operator": "and",
        "conditions": [
            {"variable_selector": ["start", "n"], "comparison_operator": ">", "value": "10", "sub_variable_condition": None},
        ],
    }


def test_an_or_case_needs_one_true_condition(pool):
    result = if_else(case("any", where("<", "0"), where("=", "5"), where(">", "100"), logic="or")).run(pool, None)
    assert result.handle == "any"
    assert len(result.inputs["conditions"]) == 2


@pytest.mark.parametrize("value", [5, "5", 5.0])
def test_a_number_that_yaml_read_is_a_text(pool, value):
    assert if_else(case("true", where("≥", value))).run(pool, None).handle == "true"


@pytest.mark.parametrize(("logic", "handle"), [("and", "true"), ("or", "false")])
def test_a_case_without_conditions(pool, logic, handle):
    assert if_else(case("true", logic=logic)).run(pool, None).handle == handle


def test_no_cases_at_all_take_the_else_exit(pool):
    result = if_else().run(pool, None)
    assert (result.handle, result.inputs) == ("false", {"conditions": []})


@pytest.mark.parametrize(
    ("condition", "message"),
    [
        (where(">", "5", ("start", "text")), "Invalid actual value type: number"),
        (where("empty", "", ("ghost", "k")), "Variable ['ghost', 'k'] not found"),
    ],
)
def test_a_condition_that_cannot_be_evaluated_fails_the_node(pool, condition, message):
    with pytest.raises(NodeError) as caught:
        if_else(case("true", condition)).run(pool, None)
    error = caught.value
    assert (str(error), error.error_type) == (message, "")
    assert (error.partial.inputs, error.partial.process_data) == ({"conditions": []}, {"condition_results": []})


def test_files_are_judged_by_sub_conditions(pool):
    sub = {"logical_operator": "and", "conditions": [{"key": "type", "comparison_operator": "in", "value": ["image"]}]}
    node = if_else(case("true", where("contains", "", ("start", "files"), sub_variable_condition=sub)))
    result = node.run(pool, None)
    assert (result.handle, result.inputs) == ("true", {"conditions": []})


@pytest.mark.parametrize(
    ("cases", "place", "message"),
    [
        (["odd"], "cases[0]", "must be a mapping"),
        ([{"conditions": []}], "cases[0].case_id", "'case_id' is required"),
        ([case("c", logic="xor")], "cases[0].logical_operator", "must be one of and, or"),
        ([case("c", where("near"))], "cases[0].conditions[0].comparison_operator", "must be one of contains"),
        ([case("c", where("is", {"a": 1}))], "cases[0].conditions[0].value", "must be a text"),
        (
            [case("c", {"comparison_operator": "is", "variable_selector": "n.x"})],
            "cases[0].conditions[0].variable_selector",
            "list of texts",
        ),
        (
            [case("c", where("contains", sub_variable_condition={"conditions": [{"key": "colour", "comparison_operator": "is"}]}))],
            "cases[0].conditions[0].sub_variable_condition.conditions[0].key",
            "must be one of type",
        ),
    ],
)
def test_wrong_configurations_are_found_with_their_place(cases, place, message):
    with pytest.raises(GraphError) as caught:
        if_else(*cases)
    (finding,) = caught.value.findings
    assert finding.path == f"workflow.graph.nodes[1].data.{place}"
    assert message in finding.message
