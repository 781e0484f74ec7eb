import pytest

from worker.engine.models import Message, ModelRef, ModelRequest
from worker.llm.anthropic_messages import body_of
from worker.llm.anthropic_schema import strict_schema
from worker.llm.drafts import ANSWER_TOOL

SCHEMA = {
    "type": "object",
    "properties": {"name": {"type": "string", "maxLength": 5}, "tags": {"type": "array", "items": {"type": "string"}}},
    "required": ["name"],
}
NEW, OLD = "claude-sonnet-4-5-20250929", "claude-sonnet-4-20250514"


def body(name=NEW, schema=SCHEMA, refused=(), **parameters):
    made = ModelRequest(ModelRef("anthropic", name), [Message.of("user", "x")], parameters, json_schema=schema)
    return body_of(made, refused)


@pytest.mark.parametrize("name", [NEW, "claude-opus-4-6", "claude-haiku-5-5", "claude-opus-5", "claude-mythos-preview"])
def test_models_with_output_formats_are_given_one(name):
    made = body(name, effort="low")
    assert made["output_config"]["effort"] == "low"
    assert made["output_config"]["format"]["type"] == "json_schema"
    strict = made["output_config"]["format"]["schema"]
    assert (strict["additionalProperties"], strict["required"]) == (False, ["name"])
    assert "maxLength: 5" in strict["properties"]["name"]["description"]
    assert "tools" not in made


@pytest.mark.parametrize(("name", "refused"), [(OLD, ()), ("claude-3-5-sonnet-20241022", ()), (NEW, ["output_config"])])
def test_other_models_must_call_a_tool(name, refused):
    made = body(name, refused=refused)
    assert [tool["input_schema"] for tool in made["tools"]] == [SCHEMA]
    assert made["tool_choice"] == {"type": "tool", "name": ANSWER_TOOL}
    assert "output_config" not in made


def test_a_model_that_thinks_cannot_be_made_to():
    assert body(OLD, thinking=True)["tool_choice"] == {"type": "auto"}


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "object"},
        {"type": "object", "properties": {"any": {"type": "object"}}},
        {"type": "object", "properties": {"a": {"type": "string"}}, "additionalProperties": {"type": "string"}},
        {"type": "object", "properties": {"a": {"type": ["string", "null"]}}},
        {"type": "object", "properties": {"a": {}}},
        {"type": "object", "properties": {"a": {"$ref": "#/definitions/b"}}, "definitions": {"b": {"type": "string"}}},
        {"type": "object", "properties": {"a": {"type": "array", "items": {"type": "object"}}}},
    ],
)
def test_what_an_output_format_cannot_say_is_said_by_a_tool(schema):
    assert strict_schema(schema) is None
    assert body(schema=schema)["tools"][0]["input_schema"] == schema
