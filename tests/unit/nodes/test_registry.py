import subprocess
import sys

import pytest

from worker.engine.errors import GraphError
from worker.engine.node import NodeSpec
from worker.nodes.end import EndNode
from worker.nodes.if_else import IfElseNode
from worker.nodes.registry import Registry


def spec(node_type, version="1", **data):
    return NodeSpec("n", node_type, "N", version, data, path="workflow.graph.nodes[0]")


@pytest.fixture
def registry():
    return Registry()


@pytest.mark.parametrize(("node_type", "node_class"), [("end", EndNode), ("if-else", IfElseNode)])
def test_a_type_is_found_by_the_name_of_its_module(registry, node_type, node_class):
    assert registry.knows(node_type)
    assert isinstance(registry.create(spec(node_type)), node_class)


@pytest.mark.parametrize(
    "node_type",
    [
        "telepathy",
        "",
        "registry",
        "fields",
        "condition-fields",
        "if_else",
        "IF-ELSE",
        "if-else-",
        "..end",
        "end/../end",
        "os",
        "-",
        "end\n",
    ],
)
def test_other_names_are_unknown_types(registry, node_type):
    assert not registry.knows(node_type)
    with pytest.raises(GraphError) as caught:
        registry.create(spec(node_type))
    (finding,) = caught.value.findings
    assert (finding.code, finding.node_title, finding.path) == ("unsupported_node_type", "N", "workflow.graph.nodes[0].data.type")


def test_every_module_with_a_node_is_a_type(registry):
    types = registry.node_types()
    assert {"start", "end", "answer", "if-else", "variable-aggregator"} <= set(types)
    assert not {"registry", "fields", "condition-fields"} & set(types)


def test_a_known_version_is_taken_and_an_unknown_one_means_the_newest(registry, monkeypatch):
    first, second = type("First", (EndNode,), {}), type("Second", (EndNode,), {})
    monkeypatch.setattr("worker.nodes.end.NODES", {"1": first, "2": second}, raising=False)
    monkeypatch.delattr("worker.nodes.end.NODE")
    assert registry.node_class("end", "1") is first
    assert registry.node_class("end", "2") is second
    assert registry.node_class("end", "17") is second


def test_a_wrong_configuration_is_the_nodes_to_report(registry):
    with pytest.raises(GraphError, match="'outputs' must be a list"):
        registry.create(spec("end", outputs="x"))


def test_only_the_types_that_are_used_are_imported():
    program = "import sys; from worker.nodes.registry import Registry; Registry().knows('end'); print('worker.nodes.answer' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
