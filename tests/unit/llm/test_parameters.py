import pytest

from worker.engine.models import Message, ModelRef, ModelRequest
from worker.llm.parameters import anthropic_parameters, openai_parameters, unsent_of
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


OLD_CLAUDE = "claude-3-7-sonnet-20250219"


def test_anthropic_wants_a_limit():
    assert anthropic_parameters(OLD_CLAUDE, {"temperature": 1, "response_format": "text"}) == {"temperature": 1.0, "max_tokens": 4096}
    assert anthropic_parameters(OLD_CLAUDE, {"max_tokens_to_sample": "50"}, ["max_tokens"]) == {"max_tokens": 50}


def test_anthropic_thinks_within_its_limit_and_without_sampling():
    found = anthropic_parameters(OLD_CLAUDE, {"thinking": True, "thinking_budget": 2000, "max_tokens": 100, "temperature": 0.2})
    assert found == {"thinking": {"type": "enabled", "budget_tokens": 2000}, "max_tokens": 2001}


@pytest.mark.parametrize(
    "name", ["claude-opus-4-7", "claude-sonnet-5", "claude-haiku-5-5", "claude-opus-10-1", "anthropic.claude-opus-4-8-v1:0"]
)
def test_newer_models_of_anthropic_think_as_they_see_fit_and_take_no_sampling(name):
    found = anthropic_parameters(name, {"thinking": True, "thinking_budget": 2000, "temperature": 0.2, "top_k": 5, "effort": "low"})
    thinking = {"type": "adaptive", "display": "summarized"}
    assert found == {"max_tokens": 4096, "thinking": thinking, "output_config": {"effort": "low"}}


@pytest.mark.parametrize(
    "name", ["claude-sonnet-4-5-20250929", "claude-opus-4-1-20250805", "claude-sonnet-4-20250514", "claude-3-5-haiku-latest"]
)
def test_older_models_of_anthropic_take_sampling(name):
    assert anthropic_parameters(name, {"temperature": 0.2})["temperature"] == 0.2


@pytest.mark.parametrize(
    ("thinking", "made"),
    [
        (False, {}),
        ("yes", {}),
        ({"type": "disabled"}, {}),
        ({"type": "enabled", "budget_tokens": 5000}, {"thinking": {"type": "enabled", "budget_tokens": 5000}}),
    ],
)
def test_thinking_may_be_written_as_the_api_has_it(thinking, made):
    assert anthropic_parameters(OLD_CLAUDE, {"thinking": thinking}) == {"max_tokens": 4096, **made}


@pytest.mark.parametrize(
    ("parameters", "sent"),
    [
        ({"temperature": "hot"}, {"temperature": "hot"}),
        ({"metadata": 5}, {"metadata": 5}),
        ({"max_tokens": "many"}, {"max_tokens": "many"}),
        ({"thinking": True, "thinking_budget": {"a": 1}}, {"max_tokens": 4096, "thinking": {"type": "enabled", "budget_tokens": 1024}}),
    ],
)
def test_values_of_the_wrong_type_are_the_providers_to_refuse(parameters, sent):
    assert anthropic_parameters(OLD_CLAUDE, parameters) == {"max_tokens": 4096, **sent}


def test_a_refused_limit_goes_under_its_new_name():
    request = ModelRequest(ModelRef("x", "m"), [Message.of("user", "x")], {"max_tokens": 5, "top_k": 3, "seed": 1})
    assert openai_parameters(request, Provider("x", "openai-compatible"), {"max_tokens", "top_k"}) == {
        "max_completion_tokens": 5,
        "seed": 1,
    }


def test_what_of_a_document_reaches_no_provider_is_known():
    given = {
        "top_k": 5,
        "temperature": 1,
        "max_output_tokens": 9,
        "enable_thinking": False,
        "seed": None,
        "response_format": "text",
        "mood": "x",
    }
    assert unsent_of(given, {"temperature": 1, "max_tokens": 9, "response_format": {}}) == {"top_k", "mood"}
