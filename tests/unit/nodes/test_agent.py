from decimal import Decimal

import pytest

from tests.unit.nodes.tooling import ScriptedTool, World, call, said
from worker.engine.errors import GraphError, NodeError, Partial
from worker.engine.models import ModelError
from worker.engine.node import NodeSpec
from worker.engine.spending import Spending
from worker.engine.tools import BlobMessage, JSONMessage, TextMessage, ToolParameter, UsageMessage, VariableMessage
from worker.nodes.agent import AgentNode
from worker.nodes.registry import Registry

MODEL = {"provider": "langgenius/openai/openai", "model": "m-1", "mode": "chat", "completion_params": {"temperature": 0.1, "stop": ["X"]}}


def declared(name="echo", **extra):
    return {"enabled": True, "type": "builtin", "provider_name": "echo", "tool_name": name, **extra}


def node(strategy="function_calling", tools=(), query="What?", **parameters):
    values = {
        "model": {"type": "constant", "value": MODEL},
        "tools": {"type": "constant", "value": list(tools)},
        "query": {"type": "constant", "value": query},
        **{name: {"type": "constant", "value": value} for name, value in parameters.items()},
    }
    data = {"agent_strategy_name": strategy, "agent_strategy_provider_name": "langgenius/agent/agent", "agent_parameters": values}
    return AgentNode(NodeSpec("a", "agent", "A", "1", data, path="workflow.graph.nodes[1]"))


def run(world, *arguments, **parameters):
    return node(*arguments, **parameters).run(world.pool, world.context)


def roles(request):
    return [message.role for message in request.messages]


def with_echo(*answers):
    world = World(*answers)
    world.tools.add(ScriptedTool())
    return world


def test_the_registry_finds_the_node():
    assert Registry().node_class("agent", "1") is AgentNode
    assert not AgentNode.is_pure


def test_without_a_call_the_first_answer_is_the_text():
    world = World(said("Paris"))
    world.pool.set("start", "city", "Rome")
    result = run(world, query="Not {{#start.city#}}?", instruction="Be short.")

    request = world.models.requests[0]
    assert [(message.role, message.text) for message in request.messages] == [("system", "Be short."), ("user", "Not Rome?")]
    assert (request.model.provider, request.model.name) == ("langgenius/openai/openai", "m-1")
    assert (request.parameters, list(request.stop)) == ({"temperature": 0.1}, ["X"])
    assert result.outputs["text"] == world.streamed == "Paris"
    assert world.chunks[-1] == ("text", "", True)
    assert result.outputs["files"] == []
    assert result.outputs["json"][-1] == {"data": []}


def test_tools_are_called_and_their_answers_go_back():
    world = with_echo(said("Let me see. ", call("echo", '{"text": "hi"}')), said("Done."))
    result = run(world, tools=[declared()])

    assert world.tools.tools["echo"].calls == [{"text": "hi"}]
    first, second = world.models.requests
    assert [tool.name for tool in first.tools] == ["echo"]
    assert roles(second) == ["user", "assistant", "tool"]
    assert second.messages[1].tool_calls[0].id == second.messages[2].tool_call_id == "call-1"
    assert second.messages[2].text == "echo {'text': 'hi'}"
    assert result.outputs["text"] == "Let me see. Done."


def test_several_calls_of_one_answer_are_all_made():
    world = with_echo(said("", call("echo", '{"text": "1"}', "c1"), call("echo", '{"text": "2"}', "c2")), said("ok"))
    run(world, tools=[declared()])

    assert world.tools.tools["echo"].calls == [{"text": "1"}, {"text": "2"}]
    assert [message.tool_call_id for message in world.models.requests[1].messages[2:]] == ["c1", "c2"]


def test_the_last_round_has_no_tools_so_that_it_must_answer():
    world = with_echo(said("", call("echo", "{}")), said("enough", call("echo", "{}")))
    result = run(world, tools=[declared()], maximum_iterations=2)

    assert [len(request.tools) for request in world.models.requests] == [1, 0]
    assert result.outputs["text"] == "enough"
    assert len(world.tools.tools["echo"].calls) == 1


def test_usage_adds_up_over_the_rounds():
    world = with_echo(said("", call("echo", "{}"), tokens=10), said("ok", tokens=20))
    result = run(world, tools=[declared()])

    assert result.total_tokens == 32
    assert result.outputs["usage"]["prompt_tokens"] == 30
    assert result.outputs["usage"]["total_price"] == "0.002"
    assert result.metadata["total_tokens"] == 32
    assert result.metadata["currency"] == "USD"


def spending_tool(tokens, price):
    """A tool that is a workflow, which asks models itself."""
    return ScriptedTool(answer=lambda given: [TextMessage("42"), UsageMessage(Spending(tokens, Decimal(price), "USD"))])


def test_what_tools_used_and_cost_is_added():
    calls = [call("echo", "{}", "c1"), call("echo", "{}", "c2")]
    world = World(said("", *calls, tokens=10), said("ok", tokens=20))
    world.tools.add(spending_tool(100, "0.5"))
    result = run(world, tools=[declared()])

    assert result.total_tokens == result.metadata["total_tokens"] == 11 + 21 + 2 * 100
    assert (result.metadata["total_price"], result.metadata["currency"]) == ("1.002", "USD")
    assert result.outputs["usage"]["total_tokens"] == 32


def test_what_a_failing_agent_had_used_counts():
    world = World(said("", call("echo", "{}"), tokens=10), ModelError("quota"))
    world.tools.add(spending_tool(100, "0.5"))
    with pytest.raises(ModelError) as caught:
        run(world, tools=[declared()])

    partial = caught.value.partial
    assert (partial.total_tokens, partial.metadata["total_price"]) == (111, "0.501")
    assert [entry["label"] for entry in partial.metadata["agent_log"]] == ["ROUND 1", "m-1 Thought", "CALL echo", "ROUND 2", "m-1 Thought"]


def test_what_a_failing_tool_had_used_counts():
    def broken(given):
        raise NodeError("no answer", partial=Partial.costing(Spending(7, Decimal("0.25"), "USD")))

    world = World(said("", call("echo", "{}"), tokens=10), said("ok", tokens=20))
    world.tools.add(ScriptedTool(answer=broken))
    result = run(world, tools=[declared()])

    assert (result.total_tokens, result.metadata["total_price"]) == (39, "0.252")


@pytest.mark.parametrize(
    ("arguments", "observation"),
    [
        ('{"text": "x"', "echo {'text': 'x'}"),
        ("[1]", "tool invoke error: the arguments are not a JSON object: [1]"),
        ('{"number": "many"}', "tool invoke error: The tool parameter value 'many' of number is not in correct type of number."),
    ],
    ids=["mended", "not an object", "wrong type"],
)
def test_the_model_hears_of_mistakes_in_its_calls(arguments, observation):
    world = World(said("", call("echo", arguments)), said("ok"))
    world.tools.add(ScriptedTool(parameters=[ToolParameter("text"), ToolParameter("number", "number")]))
    run(world, tools=[declared()])

    assert world.models.requests[1].messages[-1].text == observation


def test_a_tool_that_the_model_made_up_is_an_observation():
    world = with_echo(said("", call("magic", "{}")), said("ok"))
    run(world, tools=[declared()])

    assert world.models.requests[1].messages[-1].text == "tool invoke error: there is not a tool named magic"


def test_what_tools_send_besides_text_is_in_the_outputs():
    world = World(said("", call("echo", "{}")), said("ok"))
    sent = [
        JSONMessage({"a": 1}),
        BlobMessage(b"x", "text/plain", ".txt", "x.txt"),
        VariableMessage("score", 1),
        VariableMessage("text", "no"),
    ]
    world.tools.add(ScriptedTool(answer=lambda given: sent))
    result = run(world, tools=[declared()])

    assert [file.filename for file in result.outputs["files"]] == ["x.txt"]
    assert result.outputs["json"][-1] == {"a": 1}
    assert (result.outputs["score"], result.outputs["text"]) == (1, "ok")
    assert world.models.requests[1].messages[-1].text == '{"a": 1}\nThe file x.txt was created and is given to the user.'


def test_the_model_sees_what_is_its_to_give():
    world = World(said("ok"))
    parameters = [
        ToolParameter("q", required=True, description="The words"),
        ToolParameter("kind", "select", options=("a", "b")),
        ToolParameter("count", "number"),
        ToolParameter("key", is_setting=True),
    ]
    world.tools.add(ScriptedTool(parameters=parameters))
    run(
        world,
        tools=[declared(parameters={"q": {"auto": 1, "value": None}, "count": {"auto": 0, "value": {"type": "constant", "value": 3}}})],
    )

    assert world.models.requests[0].tools[0].parameters == {
        "type": "object",
        "properties": {"q": {"type": "string", "description": "The words"}, "kind": {"type": "string", "enum": ["a", "b"]}},
        "required": ["q"],
    }


@pytest.mark.parametrize(
    "extra",
    [
        {"settings": {"text": {"value": "fixed"}}},
        {"settings": {"text": {"value": {"type": "constant", "value": "fixed"}}}},
        {"parameters": {"text": {"auto": 0, "value": {"type": "variable", "value": ["start", "word"]}}}},
        {"parameters": {"text": {"auto": 0, "value": {"type": "mixed", "value": "{{#start.word#}}"}}}},
    ],
)
def test_what_the_document_fixes_overrules_the_model(extra):
    world = with_echo(said("", call("echo", '{"text": "mine"}')), said("ok"))
    world.pool.set("start", "word", "fixed")
    run(world, tools=[declared(**extra)])

    assert world.tools.tools["echo"].calls == [{"text": "fixed"}]


def test_bare_parameters_of_old_documents_stand_in_for_what_the_model_leaves_out():
    world = World(said("", call("echo", '{"q": "mine"}')), said("ok"))
    tool = world.tools.add(ScriptedTool(parameters=[ToolParameter("q"), ToolParameter("count", "number")]))
    run(world, tools=[declared(parameters={"q": "", "count": 5})])

    assert tool.calls == [{"q": "mine", "count": 5}]


def test_disabled_tools_are_left_out_and_descriptions_can_be_replaced():
    world = World(said("ok"))
    world.tools.add(ScriptedTool())
    run(world, tools=[declared(extra={"description": "Use me."}), declared("other", enabled=False)])

    assert [(tool.name, tool.description) for tool in world.models.requests[0].tools] == [("echo", "Use me.")]


def test_steps_are_told_as_they_begin_and_end():
    world = with_echo(said("", call("echo", '{"text": "hi"}')), said("Done."))
    result = run(world, tools=[declared()])

    assert [(log.label, log.status) for log in world.logs] == [
        ("ROUND 1", "start"),
        ("m-1 Thought", "start"),
        ("m-1 Thought", "success"),
        ("CALL echo", "start"),
        ("CALL echo", "success"),
        ("ROUND 1", "success"),
        ("ROUND 2", "start"),
        ("m-1 Thought", "start"),
        ("m-1 Thought", "success"),
        ("ROUND 2", "success"),
    ]
    first_round = world.logs[0].id
    assert [log.parent_id for log in world.logs[:4]] == [None, first_round, first_round, first_round]
    assert world.logs[4].data == {"tool_name": "echo", "input": {"text": "hi"}, "output": "echo {'text': 'hi'}"}
    entries = result.metadata["agent_log"]
    assert [entry["label"] for entry in entries] == ["ROUND 1", "m-1 Thought", "CALL echo", "ROUND 2", "m-1 Thought"]
    assert {entry["status"] for entry in entries} == {"success"}
    assert result.outputs["json"][: len(entries)] == entries


def test_a_second_attempt_gives_the_steps_the_same_ids():
    first, second = World(said("a")), World(said("b"))
    run(first)
    run(second)

    assert [log.id for log in first.logs] == [log.id for log in second.logs]


def test_a_failing_tool_is_told_as_an_error():
    def broken(given):
        raise NodeError("no network")

    world = World(said("", call("echo", "{}")), said("ok"))
    world.tools.add(ScriptedTool(answer=broken))
    run(world, tools=[declared()])

    assert [(log.status, log.error) for log in world.logs if log.label == "CALL echo"] == [("start", None), ("error", "no network")]


def test_a_failing_model_fails_the_node():
    world = World(ModelError("quota"))
    with pytest.raises(ModelError, match="quota") as caught:
        run(world)

    assert [entry["status"] for entry in caught.value.partial.process_data["agent_log"]] == ["error", "error"]
    assert caught.value.partial.inputs["query"] == "What?"


def test_a_tool_that_is_not_there_fails_the_node():
    with pytest.raises(NodeError, match="tool provider echo not found"):
        run(World(said("ok")), tools=[declared()])


# ---- ReAct


def action(name, given):
    return f'Thought: hm\nAction:\n```json\n{{"action": "{name}", "action_input": {given}}}\n```\nObservation: made up'


def test_react_acts_until_it_has_the_final_answer():
    world = with_echo(said(action("echo", '{"text": "hi"}')), said(action("Final Answer", '"It is hi."')))
    result = run(world, "ReAct", tools=[declared()], instruction="Be kind.")

    first, second = world.models.requests
    assert first.tools == ()
    assert "Observation:" in first.stop
    assert first.messages[0].text.startswith("Be kind.")
    assert '"name": "echo"' in first.messages[0].text
    assert "Observation: echo {'text': 'hi'}" in second.messages[1].text
    assert world.tools.tools["echo"].calls == [{"text": "hi"}]
    assert result.outputs["text"] == world.streamed == "It is hi."


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("It is 4.", "It is 4."),
        ("Thought: I know it.\nFinal Answer: four", "four"),
        ('Action: {"action": "Final Answer", "action_input": "4"}', "4"),
        ('```json\n{"action": "Final Answer", "action_input": {"n": 4}}\n```', '{"n": 4}'),
        ('```\n{"action": "Final Answer", "action_input": "4",}\n```', "4"),
    ],
)
def test_react_reads_answers_in_many_forms(text, answer):
    assert run(World(said(text)), "ReAct").outputs["text"] == answer


def test_react_must_answer_in_the_last_round():
    world = with_echo(said(action("echo", "{}")), said("So be it."))
    result = run(world, "ReAct", tools=[declared()], maximum_iterations=2)

    assert "last step" in world.models.requests[1].messages[1].text
    assert result.outputs["text"] == "So be it."


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"strategy": "TOD"}, "agent_strategy_name"),
        ({"mcp_server": "https://example.com"}, "agent_parameters.mcp_server"),
        ({"tools": [{"tool_name": "x"}]}, "agent_parameters.tools.value[0].provider_name"),
        (
            {"tools": [declared(parameters={"q": {"auto": 0, "value": {"type": "variable", "value": "x"}}})]},
            "agent_parameters.tools.value[0].parameters.q",
        ),
    ],
)
def test_mistakes_are_found_at_import(changes, path):
    with pytest.raises(GraphError) as caught:
        node(**changes)

    assert [finding.path for finding in caught.value.findings] == [f"workflow.graph.nodes[1].data.{path}"]


def test_the_tools_of_an_agent_are_known_before_it_runs():
    assert [str(reference) for reference in node(tools=[declared(), declared("other")]).tool_references] == ["echo/echo", "echo/other"]


def test_the_start_of_an_agent_names_its_strategy():
    assert (node("ReAct").extras, node("ReAct").agent_strategy) == ({}, {"name": "ReAct", "icon": None})
