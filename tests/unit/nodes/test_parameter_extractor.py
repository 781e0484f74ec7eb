"""nodes.md section 6.10."""

import json
from decimal import Decimal

import pytest

from tests.unit.nodes.model_world import context_of, picture, pool_of
from worker.engine.errors import GraphError, NodeError
from worker.engine.models import Answer, Features, MediaPart, ModelError, ToolCall, Usage
from worker.engine.node import NodeSpec
from worker.llm.memory import ScriptedModels
from worker.nodes.parameter_extractor import NO_ANSWER, NOTHING_FOUND, ParameterExtractorNode
from worker.nodes.registry import Registry

MODEL = {"provider": "deepseek", "name": "deepseek-chat", "mode": "chat", "completion_params": {"temperature": 0.7, "stop": ["END"]}}
PARAMETERS = [
    {"name": "city", "type": "string", "description": "Where to", "required": True},
    {"name": "nights", "type": "number", "description": "How long", "required": False},
]
SCHEMA = {
    "type": "object",
    "properties": {"city": {"description": "Where to", "type": "string"}, "nights": {"description": "How long", "type": "number"}},
    "required": ["city"],
}
USAGE = Usage(
    prompt_tokens=30, completion_tokens=3, total_price=Decimal("0.0000100"), latency=0.5, time_to_first_token=0.2, time_to_generate=0.3
)
FOUND = {"city": "Porto", "nights": 3}


def spec(**data):
    given = {"query": ["start", "q"], "model": MODEL, "parameters": PARAMETERS, "reasoning_mode": "prompt", **data}
    return NodeSpec("read", "parameter-extractor", "Read", "1", given, path="workflow.graph.nodes[1]")


def extract(models, *, contents=None, start=None, **data):
    pool = pool_of(start={"q": "Three nights in Porto", "tone": "polite", **(start or {})}, sys={"files": []})
    return ParameterExtractorNode(spec(**data)).run(pool, context_of(models, contents=contents))


def calls(arguments):
    return Answer("", tool_calls=(ToolCall("call_1", "extract_parameters", arguments),), usage=USAGE, finish_reason="tool_calls")


def between(text, tag):
    return text.split(f"<{tag}>\n")[-1].split(f"\n</{tag}>")[0]


def test_the_registry_knows_it():
    assert isinstance(Registry().create(spec()), ParameterExtractorNode)


def test_each_parameter_is_an_output():
    result = extract(ScriptedModels([Answer(f"Here: {json.dumps(FOUND)}", usage=USAGE)]))
    usage = {**USAGE.to_json(), "time_to_first_token": None, "time_to_generate": None}
    assert result.outputs == {"city": "Porto", "nights": 3, "__is_success": 1, "__reason": None, "__usage": usage}
    assert (result.total_tokens, result.metadata) == (33, {"total_tokens": 33, "total_price": "0.0000100", "currency": "USD"})


def test_inputs_show_what_was_asked():
    result = extract(ScriptedModels([json.dumps(FOUND)]), instruction="Be {{#start.tone#}}")
    assert result.inputs == {
        "query": "Three nights in Porto",
        "files": [],
        "parameters": [
            {"name": "city", "type": "string", "options": None, "description": "Where to", "required": True},
            {"name": "nights", "type": "number", "options": None, "description": "How long", "required": False},
        ],
        "instruction": "Be {{#start.tone#}}",
        "model_provider": "deepseek",
        "model_name": "deepseek-chat",
    }


def test_in_prompt_mode_the_schema_and_the_text_are_asked_in_words():
    models = ScriptedModels([json.dumps(FOUND)])
    result = extract(models, instruction="Be {{#start.tone#}}, {{#start.gone#}}")
    (request,) = models.requests
    system, *examples, question = request.messages
    assert [message.role for message in request.messages] == ["system", "user", "assistant", "user", "assistant", "user"]
    assert between(system.text, "instruction") == "Be polite, start.gone"
    assert json.loads(between(question.text, "schema")) == SCHEMA
    assert between(question.text, "text") == "Three nights in Porto"
    assert (request.tools, request.parameters, request.stop) == ([], {"temperature": 0.7}, ("END",))
    for shown, answered in zip(examples[::2], examples[1::2], strict=True):
        assert set(json.loads(answered.text)) == set(json.loads(between(shown.text, "schema"))["properties"])
    assert result.process_data["function"] == {}
    assert result.process_data["tool_call"] is None


def test_in_function_call_mode_there_is_a_tool_to_call():
    models = ScriptedModels([calls(json.dumps(FOUND))])
    result = extract(models, reasoning_mode="function_call", instruction="Be {{#start.tone#}}")
    (request,) = models.requests
    (tool,) = request.tools
    assert (tool.name, tool.parameters) == ("extract_parameters", SCHEMA)
    system, *examples, question = request.messages
    assert between(system.text, "instruction") == "Be polite"
    assert json.loads(between(question.text, "schema")) == SCHEMA
    assert between(question.text, "text") == "Three nights in Porto"
    assert [message.role for message in examples] == ["user", "assistant", "tool", "assistant"] * 2
    for call, answered in zip(examples[1::4], examples[2::4], strict=True):
        assert call.tool_calls[0].id == answered.tool_call_id
        assert call.tool_calls[0].name == "extract_parameters"
    assert (result.outputs["city"], result.outputs["nights"], result.outputs["__is_success"]) == ("Porto", 3, 1)


def test_function_call_is_the_default_mode():
    models = ScriptedModels([calls(json.dumps(FOUND))])
    extract(models, reasoning_mode=None)
    assert models.requests[0].tools


def test_a_model_that_calls_no_tools_is_asked_in_words():
    models = ScriptedModels([json.dumps(FOUND)], features=Features(tool_call=False))
    result = extract(models, reasoning_mode="function_call")
    assert models.requests[0].tools == []
    assert result.outputs["city"] == "Porto"


def test_a_completion_model_gets_one_text():
    models = ScriptedModels([json.dumps(FOUND)], features=Features(tool_call=False))
    result = extract(models, model={**MODEL, "mode": "completion"}, instruction="Be brief")
    (message,) = models.requests[0].messages
    assert (between(message.text, "text"), between(message.text, "instruction")) == ("Three nights in Porto", "Be brief")
    assert message.text.endswith("Assistant:")
    assert result.process_data["prompts"] == [{"role": "user", "text": message.text}]


def test_process_data_shows_the_whole_call():
    answer = calls(json.dumps(FOUND))
    process_data = dict(extract(ScriptedModels([answer]), reasoning_mode="function_call").process_data)
    prompts = process_data.pop("prompts")
    assert prompts[2]["tool_calls"][0]["function"]["name"] == "extract_parameters"
    function = process_data.pop("function")
    assert (function["name"], function["parameters"]) == ("extract_parameters", SCHEMA)
    assert process_data == {
        "model_mode": "chat",
        "usage": {**USAGE.to_json(), "time_to_first_token": None, "time_to_generate": None},
        "tool_call": {"id": "call_1", "type": "function", "function": {"name": "extract_parameters", "arguments": json.dumps(FOUND)}},
        "llm_text": "",
        "model_provider": "deepseek",
        "model_name": "deepseek-chat",
    }


@pytest.mark.parametrize("answer", ["", "I found nothing.", "[1, 2]", calls("city=Porto"), f"<think>{json.dumps(FOUND)}</think>None."])
def test_an_answer_without_an_object_gives_defaults_and_says_so(answer):
    result = extract(ScriptedModels([answer]))
    assert (result.outputs["city"], result.outputs["nights"]) == ("", 0)
    assert (result.outputs["__is_success"], result.outputs["__reason"]) == (0, NOTHING_FOUND)


def test_thoughts_are_not_taken_for_the_answer_but_shown():
    text = f'<think>Perhaps {{"city": "Lisbon"}}?</think>{json.dumps(FOUND)}'
    result = extract(ScriptedModels([text]))
    assert result.outputs["city"] == "Porto"
    assert result.process_data["llm_text"] == text


def test_a_tool_call_counts_more_than_the_text():
    answer = Answer('{"city": "Lisbon", "nights": 1}', tool_calls=calls(json.dumps(FOUND)).tool_calls)
    assert extract(ScriptedModels([answer]), reasoning_mode="function_call").outputs["city"] == "Porto"


def test_a_model_that_answers_in_words_instead_of_calling_is_understood():
    assert extract(ScriptedModels([json.dumps(FOUND)]), reasoning_mode="function_call").outputs["city"] == "Porto"


@pytest.mark.parametrize(
    ("found", "reason", "city", "nights"),
    [
        ({}, "Invalid number of parameters", "", 0),
        ({"city": "Porto"}, "Invalid number of parameters", "Porto", 0),
        ({"town": "Porto", "nights": 3}, "Parameter city is required", "", 3),
        ({"city": "Porto", "nights": "3"}, "Invalid value for parameter nights, expected segment type: number", "Porto", 3),
        ({"city": None, "nights": 3}, "Invalid value for parameter city, expected segment type: string", "", 3),
    ],
)
def test_what_does_not_fit_is_told_and_converted_all_the_same(found, reason, city, nights):
    outputs = extract(ScriptedModels([json.dumps(found)])).outputs
    assert (outputs["__is_success"], outputs["city"], outputs["nights"]) == (0, city, nights)
    assert outputs["__reason"].startswith(reason)


def test_arrays_and_options_have_their_place_in_the_schema():
    models = ScriptedModels(['{"tags": ["a"], "colour": "green"}'])
    parameters = [
        {"name": "tags", "type": "array[string]", "description": "", "required": True},
        {"name": "colour", "type": "select", "options": ["red", "blue"], "description": "Which"},
    ]
    outputs = extract(models, parameters=parameters).outputs
    assert json.loads(between(models.requests[0].messages[-1].text, "schema")) == {
        "type": "object",
        "properties": {
            "tags": {"description": "", "type": "array", "items": {"type": "string"}},
            "colour": {"description": "Which", "type": "string", "enum": ["red", "blue"]},
        },
        "required": ["tags"],
    }
    assert outputs["__reason"] == "Invalid `select` value for parameter colour"
    assert (outputs["tags"], outputs["colour"]) == (["a"], "green")


@pytest.mark.parametrize(("selector", "query"), [(["gone", "q"], ""), (["start", "list"], '["a", "b"]'), (["start", "none"], "")])
def test_the_query_is_read_as_text(selector, query):
    models = ScriptedModels([json.dumps(FOUND)])
    result = extract(models, query=selector, start={"list": ["a", "b"], "none": None})
    assert result.inputs["query"] == query
    assert between(models.requests[0].messages[-1].text, "text") == query


def test_a_placeholder_in_the_text_of_a_user_stays_text():
    models = ScriptedModels([json.dumps(FOUND)])
    extract(models, start={"q": "{{#start.tone#}}"})
    assert between(models.requests[0].messages[-1].text, "text") == "{{#start.tone#}}"


def test_a_failing_call_fails_the_node_and_tells_what_was_asked():
    with pytest.raises(ModelError, match="no such model") as caught:
        extract(ScriptedModels([ModelError("no such model")]), instruction=None)
    partial = caught.value.partial
    assert partial.outputs == {"__is_success": 0, "__reason": NO_ANSWER, "__error": "no such model"}
    assert (partial.inputs["query"], partial.inputs["instruction"]) == ("Three nights in Porto", None)
    assert (partial.process_data["usage"], partial.process_data["tool_call"]) == (None, None)
    assert partial.process_data["prompts"][-1]["role"] == "user"


def test_pictures_are_put_before_the_text_and_shown_in_the_inputs():
    models = ScriptedModels([json.dumps(FOUND)])
    result = extract(models, vision={"enabled": True}, start={"q": "read it"}, contents={"a.png": b"png"})
    assert result.inputs["files"] == []
    vision = {"enabled": True, "configs": {"variable_selector": ["start", "picture"]}}
    result = extract(models, vision=vision, start={"picture": picture()}, contents={"a.png": b"png"})
    assert models.requests[-1].messages[-1].parts[0] == MediaPart(picture(), "high", b"png")
    assert result.inputs["files"] == [picture()]


def test_vision_of_something_else_fails_the_node():
    vision = {"enabled": True, "configs": {"variable_selector": ["start", "q"]}}
    with pytest.raises(NodeError, match="Invalid variable type: string"):
        extract(ScriptedModels(), vision=vision)


@pytest.mark.parametrize(
    ("data", "place", "message"),
    [
        ({"parameters": [{"type": "string"}]}, "parameters[0].name", "'name' is required"),
        ({"parameters": [{"name": "__reason", "type": "string"}]}, "parameters[0].name", "'__reason' is the name of an output"),
        ({"parameters": [{"name": "a", "type": "date"}]}, "parameters[0].type", "'type' is 'date', but must be one of string"),
        ({"parameters": [{"name": "a", "type": "string", "required": "no"}]}, "parameters[0].required", "true or false"),
        ({"reasoning_mode": "magic"}, "reasoning_mode", "must be one of function_call, prompt"),
        ({"query": "start.q"}, "query", "must be a list of texts"),
        ({"model": []}, "model", "'model' must be a mapping, not list"),
    ],
)
def test_wrong_configurations_are_found_with_their_place(data, place, message):
    with pytest.raises(GraphError) as caught:
        ParameterExtractorNode(spec(**data))
    (finding,) = caught.value.findings
    assert finding.path == f"workflow.graph.nodes[1].data.{place}"
    assert message in finding.message
