import pytest

from worker.engine.models import ModelRef
from worker.llm.features import features_of


def having(feature, *models):
    return [name for provider, name in models if getattr(features_of(ModelRef(provider, name)), feature)]


def test_models_that_see():
    names = ("gpt-4o", "gpt-4", "gpt-3.5-turbo", "claude-3-5-sonnet-20240620", "deepseek-chat", "qwen-vl-max", "qwen-max", "some-new-model")
    assert having("vision", *(("x", name) for name in names)) == ["gpt-4o", "claude-3-5-sonnet-20240620", "qwen-vl-max", "some-new-model"]


def test_models_that_take_a_schema():
    ours = [("openai", name) for name in ("gpt-4o", "gpt-3.5-turbo", "gpt-4-turbo")]
    models = [*ours, ("anthropic", "claude-3"), ("anthropic", "claude-2"), ("google", "gemini-2.5-pro"), ("deepseek", "deepseek-chat")]
    assert having("json_schema", *models) == ["gpt-4o", "claude-3", "gemini-2.5-pro"]


def test_models_that_read_documents():
    models = [("openai", "gpt-4o"), ("anthropic", "claude-sonnet-4"), ("deepseek", "deepseek-chat")]
    assert having("document", *models) == ["gpt-4o", "claude-sonnet-4"]


@pytest.mark.parametrize("feature", ["vision", "tool_call", "json_schema"])
def test_completion_models_only_complete(feature):
    assert not getattr(features_of(ModelRef("openai", "gpt-4o", "completion")), feature)
