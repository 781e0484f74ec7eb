import pytest

from worker.engine.errors import GraphError, NodeError
from worker.engine.node import NodeSpec
from worker.engine.recovery import Recovery


def recovery_of(**data):
    return Recovery.of(NodeSpec("n", "code", "Node", "1", data, path="workflow.graph.nodes[0]"))


def test_a_default_value_node_goes_on_with_its_defaults_and_the_error():
    items = [
        {"key": "text", "type": "string", "value": "none"},
        {"key": "count", "type": "number", "value": "42"},
        {"key": "list", "type": "array[string]", "value": '["a"]'},
        {"key": "box", "type": "object", "value": {"k": 1}},
    ]
    recovery = recovery_of(error_strategy="default-value", default_value=items)

    outputs = recovery.outputs(NodeError("broken", error_type="CodeExecutionError"))

    assert recovery.handle == "source"
    assert outputs == {
        "text": "none",
        "count": 42.0,
        "list": ["a"],
        "box": {"k": 1},
        "error_message": "broken",
        "error_type": "CodeExecutionError",
    }
    assert isinstance(outputs["count"], float)


def test_a_fail_branch_node_leaves_by_its_own_handle_with_the_error_only():
    recovery = recovery_of(error_strategy="fail-branch")

    assert recovery.handle == "fail-branch"
    assert set(recovery.outputs(NodeError("x"))) == {"error_message", "error_type"}


@pytest.mark.parametrize(
    "data",
    [
        {"error_strategy": "hope"},
        {"error_strategy": "default-value", "default_value": "x"},
        {"error_strategy": "default-value", "default_value": [{"key": "a", "type": "number", "value": "many"}]},
        {"error_strategy": "default-value", "default_value": [{"key": "a", "type": "object", "value": "[1]"}]},
        {"error_strategy": "default-value", "default_value": [{"key": "a", "type": "array[string]", "value": "{"}]},
        {"error_strategy": "default-value", "default_value": [{"key": "a", "type": "string", "value": 1}]},
    ],
)
def test_a_strategy_that_cannot_work_is_refused_with_its_place(data):
    with pytest.raises(GraphError) as caught:
        recovery_of(**data)

    assert caught.value.findings[0].node_id == "n"
    assert caught.value.findings[0].path.startswith("workflow.graph.nodes[0].data.")
