import pytest

from worker.engine.errors import GraphError
from worker.engine.node import NodeSpec
from worker.engine.variables import VariablePool
from worker.nodes.start import StartNode


def start(*variables):
    return StartNode(NodeSpec("begin", "start", "Start", "1", {"variables": list(variables)}, path="workflow.graph.nodes[0]"))


def test_it_shows_the_form_values_and_then_the_system_variables():
    pool = VariablePool()
    for name, value in {"files": [], "user_id": "u", "timestamp": 1}.items():
        pool.set("sys", name, value)
    pool.set("env", "KEY", "hidden")
    for name, value in {"q": "hello", "n": None}.items():
        pool.set("begin", name, value)
    result = start().run(pool, None)
    assert list(result.outputs.items()) == [("q", "hello"), ("n", None), ("sys.files", []), ("sys.user_id", "u"), ("sys.timestamp", 1)]
    assert result.inputs == result.outputs
    assert (result.process_data, result.handle) == ({}, "source")


def test_its_variables_are_checked_when_it_is_made():
    with pytest.raises(GraphError) as caught:
        start({"variable": "q", "type": "text-input"}, {"variable": "x", "type": "colour"}, "odd")
    assert [finding.path for finding in caught.value.findings] == [
        "workflow.graph.nodes[0].data.variables[1]",
        "workflow.graph.nodes[0].data.variables[2]",
    ]
