import pytest

from worker.engine.errors import GraphError
from worker.engine.node import NodeSpec
from worker.engine.variables import VariablePool
from worker.nodes.variable_aggregator import VariableAggregatorNode


def aggregator(*variables, groups=None):
    data = {"output_type": "string", "variables": [list(selector) for selector in variables]}
    if groups is not None:
        written = [{"group_name": name, "output_type": "any", "variables": selectors} for name, selectors in groups.items()]
        data["advanced_settings"] = {"group_enabled": True, "groups": written}
    return VariableAggregatorNode(NodeSpec("agg", "variable-aggregator", "Join", "1", data))


@pytest.fixture
def pool():
    pool = VariablePool()
    pool.add_outputs("left", {"text": "x", "object": {"deep": 1}})
    pool.add_outputs("start", {"null": None, "empty": ""})
    return pool


@pytest.mark.parametrize(
    ("candidates", "outputs", "inputs"),
    [
        ([("skipped", "text"), ("left", "text")], {"output": "x"}, {"text": "x"}),
        ([("left", "object", "deep"), ("left", "text")], {"output": 1}, {"object.deep": 1}),
        ([("start", "null"), ("left", "text")], {"output": None}, {"null": None}),
        ([("start", "empty"), ("left", "text")], {"output": ""}, {"empty": ""}),
        ([("skipped", "text")], {}, {}),
        ([], {}, {}),
    ],
)
def test_the_first_variable_that_is_there_is_the_output(pool, candidates, outputs, inputs):
    result = aggregator(*candidates).run(pool, None)
    assert (result.outputs, result.inputs) == (outputs, inputs)


def test_each_group_has_an_output_of_its_own_and_is_absent_without_one(pool):
    groups = {"A": [["skipped", "x"], ["start", "null"]], "B": [["left", "text"]], "C": [["skipped", "x"]]}
    result = aggregator(("left", "text"), groups=groups).run(pool, None)
    assert result.outputs == {"A": {"output": None}, "B": {"output": "x"}}
    assert result.inputs == {"null": None, "text": "x"}


def test_groups_that_are_switched_off_do_not_count(pool):
    data = {
        "variables": [["left", "text"]],
        "advanced_settings": {"group_enabled": False, "groups": [{"group_name": "A", "variables": []}]},
    }
    node = VariableAggregatorNode(NodeSpec("agg", "variable-aggregator", "Join", "1", data))
    assert node.run(pool, None).outputs == {"output": "x"}


def test_wrong_configurations_are_found():
    with pytest.raises(GraphError, match="'group_name' is required"):
        aggregator(groups={"": [["n", "x"]]})
    with pytest.raises(GraphError, match="list of texts"):
        VariableAggregatorNode(NodeSpec("agg", "variable-aggregator", "Join", "1", {"variables": ["n.x"]}))
