import pytest

from worker.engine.models import Message, ModelRef, ModelRequest
from worker.llm.parameters import anthropic_parameters, openai_parameters
from worker.llm.providers import Provider

SCHEMA = {"type": "object"}


def sent(provider="openai", kind="openai", name="gpt-4o", schema=None, **parameters):
    request = ModelRequest(ModelRef(provider, name), [Message.of("user", "x")], parameters, json_schema=schema)
    return openai_parameters(request, Provider(provider, kind))


def test_a_compatible_server_gets_what_the_document_has():
    assert sent("tongyi", "openai-compatible", enable_thinking=False, top_k=5) == {"enable_thinking": False, "top_k": 5}


def test_the_vendor_itself_gets_only_what_it_knows():
    assert sent(enable_thinking=False, top_k=5, temperature=0.5, seed=None) == {"temperature": 0.5}


def test_models_that_think_take_their_limit_under_its_new_name():
    assert sent(name="o3-mini", max_tokens=10) == {"max_completion_tokens": 10}
    assert sent(max_tokens=10) == {"max_tokens": 10}


@pytest.mark.parametrize(("provider", "limit"), [("google", "max_output_tokens"), ("ollama", "num_predict")])
def test_a_limit_may_have_the_name_of_a_native_api(provider, limit):
    assert sent(provider, "openai-compatible", **{limit: 10}) == {"max_tokens": 10}


@pytest.mark.parametrize(
    ("given", "made"),
    [
        ({"response_format": "json_object"}, {"type": "json_object"}),
        ({"response_format": "JSON"}, {"type": "json_object"}),
        ({"response_format": "text"}, {"type": "text"}),
        ({"response_format": {"type": "json_object"}}, {"type": "json_object"}),
        (
            {"response_format": "json_schema", "json_schema": '{"type": "object"}'},
            {"type": "json_schema", "json_schema": {"name": "llm_response", "schema": SCHEMA}},
        ),
        (
            {"response_format": "json_schema", "json_schema": '{"name": "n", "schema": {"type": "object"}}'},
            {"type": "json_schema", "json_schema": {"name": "n", "schema": SCHEMA}},
        ),
    ],
)
def test_a_word_for_the_response_format_becomes_its_object(given, made):
    assert sent(**given) == {"response_format": made}


def test_a_schema_of_the_node_wins():
    found = sent(schema=SCHEMA, response_format="text")
    assert found["response_format"]["json_schema"] == {"name": "llm_response", "schema": SCHEMA}


def test_anthropic_wants_a_limit():
    assert anthropic_parameters({"temperature": 1, "response_format": "text"}) == {"temperature": 1.0, "max_tokens": 4096}


def test_anthropic_thinks_within_its_limit_and_without_sampling():
    found = anthropic_parameters({"thinking": True, "thinking_budget": 2000, "max_tokens": 100, "temperature": 0.2})
    assert found == {"thinking": {"type": "enabled", "budget_tokens": 2000}, "max_tokens": 2001}
