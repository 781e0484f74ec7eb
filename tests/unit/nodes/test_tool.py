from decimal import Decimal

import pytest

from tests.unit.nodes.tooling import ScriptedTool, World
from worker.engine.errors import GraphError, NodeError, Partial, RunStopped
from worker.engine.node import NodeSpec
from worker.engine.spending import Spending
from worker.engine.tools import (
    BlobMessage,
    FileMessage,
    JSONMessage,
    LinkMessage,
    TextMessage,
    ToolParameter,
    UsageMessage,
    VariableMessage,
)
from worker.engine.variables import Secret
from worker.nodes.registry import Registry
from worker.nodes.tool import ToolNode

BASE = {"provider_type": "builtin", "provider_id": "langgenius/echo/echo", "provider_name": "echo", "tool_name": "echo"}


def node(**data):
    return ToolNode(NodeSpec("t", "tool", "T", "2", {**BASE, **data}, path="workflow.graph.nodes[1]"))


def run(world, **data):
    return node(**data).run(world.pool, world.context)


def fail(world, **data):
    with pytest.raises(NodeError) as caught:
        run(world, **data)
    return caught.value


def parameters(*types, **options):
    return [ToolParameter(f"p{index}", kind, **options) for index, kind in enumerate(types)]


@pytest.fixture
def world():
    world = World()
    world.tools.add(ScriptedTool())
    return world


def test_the_registry_finds_the_node():
    assert Registry().node_class("tool", "2") is ToolNode
    assert not ToolNode.is_pure


def test_parameters_are_rendered_taken_and_cast(world):
    tool = world.tools.add(ScriptedTool(parameters=parameters("string", "number", "boolean", "object", "array")))
    world.pool.add_outputs("n", {"text": "x", "list": [1, 2], "number": 3})
    run(
        world,
        tool_parameters={
            "p0": {"type": "mixed", "value": "<{{#n.text#}}>"},
            "p1": {"type": "constant", "value": "2.5"},
            "p2": {"type": "constant", "value": "no"},
            "p3": {"type": "mixed", "value": '{"a": {{#n.number#}}}'},
            "p4": {"type": "variable", "value": ["n", "list"]},
            "unknown": {"type": "mixed", "value": "dropped"},
        },
    )

    assert tool.calls == [{"p0": "<x>", "p1": 2.5, "p2": False, "p3": {"a": 3}, "p4": [1, 2]}]


@pytest.mark.parametrize(
    ("configurations", "given"),
    [
        ({"p0": "%Y", "p1": 5}, {"p0": "%Y", "p1": 5}),
        ({"p0": {"type": "mixed", "value": "{{#n.text#}}"}, "p1": {"type": "constant", "value": 5}}, {"p0": "x", "p1": 5}),
        ({"p0": {"type": "variable", "value": ["n", "text"]}, "p1": None}, {"p0": "x", "p1": 7}),
        ({"p0": {"type": "constant", "value": None}, "p1": {"type": "constant", "value": ""}}, {"p1": 7}),
        ({}, {"p1": 7}),
    ],
    ids=["old bare values", "new values", "variable", "nulls and blanks", "defaults"],
)
def test_settings_in_both_styles(world, configurations, given):
    world.pool.set("n", "text", "x")
    settings = [ToolParameter("p0", is_setting=True), ToolParameter("p1", "number", default=7, is_setting=True)]
    tool = world.tools.add(ScriptedTool(parameters=settings))
    run(world, tool_configurations=configurations)

    assert tool.calls == [given]


def test_parameters_overrule_settings(world):
    tool = world.tools.add(ScriptedTool())
    run(world, tool_configurations={"text": "setting"}, tool_parameters={"text": {"type": "mixed", "value": "parameter"}})

    assert tool.calls == [{"text": "parameter"}]


def test_a_bare_text_among_the_parameters_is_a_template(world):
    world.pool.set("n", "text", "x")
    run(world, tool_parameters={"text": "{{#n.text#}}", "other": None})

    assert world.tools.tools["echo"].calls == [{"text": "x"}]


def test_a_missing_variable_fails_if_the_parameter_is_required_and_else_is_left_out(world):
    data = {"tool_parameters": {"text": {"type": "variable", "value": ["n", "gone"]}}}
    run(world, **data)
    world.tools.add(ScriptedTool(parameters=[ToolParameter("text", required=True)]))

    assert world.tools.tools["echo"].calls == []
    assert fail(world, **data).message == "Variable ['n', 'gone'] does not exist"


def test_a_required_parameter_that_is_not_given_fails_the_node(world):
    world.tools.add(ScriptedTool(parameters=[ToolParameter("text", required=True)]))
    error = fail(world)

    assert (error.message, error.error_type) == ("tool parameter text not found in tool config", "ToolParameterError")


def test_a_value_of_the_wrong_type_fails_the_node(world):
    world.tools.add(ScriptedTool(parameters=[ToolParameter("text", "number")]))
    error = fail(world, tool_parameters={"text": {"type": "mixed", "value": "many"}})

    assert error.message == "The tool parameter value 'many' of text is not in correct type of number."
    assert error.error_type == "ToolParameterError"


def test_messages_become_outputs(world):
    kept = world.files.add("a.txt", b"a")
    messages = [
        TextMessage("one "),
        LinkMessage("https://example.com/x"),
        JSONMessage({"a": 1}),
        TextMessage("two"),
        FileMessage(kept),
        BlobMessage(b"new", "text/csv", ".csv", "report.csv"),
        VariableMessage("score", 0.5),
        UsageMessage(Spending(12)),
    ]
    world.tools.add(ScriptedTool(answer=lambda given: messages))
    result = run(world, plugin_unique_identifier="author/echo:1@x")

    assert result.outputs["text"] == "one Link: https://example.com/x\ntwo"
    assert result.outputs["json"] == [{"a": 1}]
    assert [file.filename for file in result.outputs["files"]] == ["a.txt", "report.csv"]
    assert world.files.read(result.outputs["files"][1]) == b"new"
    assert result.outputs["score"] == 0.5
    assert result.total_tokens == 12
    info = {"provider_type": "builtin", "provider_id": "langgenius/echo/echo", "plugin_unique_identifier": "author/echo:1@x"}
    assert result.metadata == {"tool_info": info, "total_tokens": 12}


def test_a_tool_that_says_nothing_leaves_empty_outputs(world):
    world.tools.add(ScriptedTool(answer=lambda given: []))

    assert run(world).outputs == {"text": "", "files": [], "json": [{"data": []}]}


def test_text_is_streamed_and_the_stream_closed(world):
    world.tools.add(ScriptedTool(answer=lambda given: [TextMessage("a"), TextMessage(""), TextMessage("b")]))
    run(world)

    assert world.chunks == [("text", "a", False), ("text", "b", False), ("text", "", True)]


def test_secrets_reach_the_tool_and_not_the_inputs(world):
    world.pool.set("env", "KEY", Secret("sk-0123456789"))
    result = run(world, tool_parameters={"text": {"type": "mixed", "value": "key {{#env.KEY#}}"}})

    assert world.tools.tools["echo"].calls == [{"text": "key sk-0123456789"}]
    assert result.inputs == {"text": "key sk-012************89"}


def test_an_unknown_tool_fails_the_node(world):
    error = fail(world, tool_name="gone")

    assert error.message == "Failed to get tool runtime: tool provider langgenius/echo/echo not found"
    assert error.error_type == "ToolRuntimeInvocationError"


def test_a_failing_tool_fails_the_node_with_its_words(world):
    def broken(given):
        yield TextMessage("so far")
        raise NodeError("it is broken")

    world.tools.add(ScriptedTool(answer=broken))
    error = fail(world, tool_parameters={"text": {"type": "mixed", "value": "x"}})

    assert (error.message, error.error_type) == ("Failed to invoke tool: it is broken", "ToolInvokeError")
    assert error.partial.inputs == {"text": "x"}
    assert error.partial.metadata["tool_info"]["provider_id"] == "langgenius/echo/echo"


def test_what_a_failing_tool_had_used_counts(world):
    def broken(given):
        raise NodeError("it is broken", partial=Partial.costing(Spending(7, Decimal("0.25"), "USD")))

    world.tools.add(ScriptedTool(answer=broken))
    partial = fail(world).partial

    assert (partial.total_tokens, partial.metadata["total_price"], partial.metadata["currency"]) == (7, "0.25", "USD")


def test_a_stop_between_two_messages_ends_the_node(world):
    def stopping(given):
        yield TextMessage("a")
        world.inbox.stop()
        yield TextMessage("b")

    world.tools.add(ScriptedTool(answer=stopping))
    with pytest.raises(RunStopped):
        run(world)


@pytest.mark.parametrize(
    ("data", "path"),
    [
        ({"tool_name": ""}, "tool_name"),
        ({"provider_id": "", "provider_name": ""}, "provider_id"),
        ({"provider_type": "magic"}, "provider_type"),
        ({"tool_parameters": {"q": {"type": "variable", "value": "n.q"}}}, "tool_parameters.q"),
        ({"tool_configurations": []}, "tool_configurations"),
    ],
)
def test_mistakes_are_found_at_import(data, path):
    with pytest.raises(GraphError) as caught:
        node(**data)

    assert [finding.path for finding in caught.value.findings] == [f"workflow.graph.nodes[1].data.{path}"]


def test_a_parameter_that_is_called_a_credential_is_masked_in_the_inputs(world):
    tool = world.tools.add(ScriptedTool(parameters=[ToolParameter("api_key")]))
    result = run(world, tool_parameters={"api_key": {"type": "constant", "value": "sk-0123456789"}})

    assert result.inputs == {"api_key": "sk-012************89"}
    assert tool.calls == [{"api_key": "sk-0123456789"}]


@pytest.mark.parametrize(
    ("data", "icon"),
    [
        ({}, {"background": "#252525", "content": "\U0001f527"}),
        ({"provider_icon": "https://icons.example/a.svg"}, "https://icons.example/a.svg"),
        ({"provider_icon": {"background": "#fff", "content": "x"}}, {"background": "#fff", "content": "x"}),
    ],
)
def test_the_icon_of_a_tool_is_what_the_document_has_or_a_general_one(data, icon):
    assert (node(**data).extras, node(**data).agent_strategy) == ({"icon": icon}, None)
