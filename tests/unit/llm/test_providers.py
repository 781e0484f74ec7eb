import pytest

from worker.engine.models import NOT_INITIALIZED, ModelError
from worker.llm.catalog import CATALOG, CLIENT_TYPES, canonical, entry_of
from worker.llm.providers import Provider, Providers, environment_providers

KEY = {"PENSTOCK_PROVIDER_OPENAI_API_KEY": "sk-1"}


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("langgenius/openai/openai", "openai"),
        ("openai", "openai"),
        ("langgenius/gemini/google", "google"),
        ("gemini", "google"),
        ("langgenius/openai_api_compatible/openai_api_compatible", "openai_api_compatible"),
        ("Azure-OpenAI", "azure_openai"),
        ("langgenius/volcengine_maas/volcengine_maas", "volcengine_maas"),
        ("*", "default"),
    ],
)
def test_names_are_equal_if_their_last_parts_are(written, name):
    assert canonical(written) == name


def test_every_entry_has_a_known_type_and_a_canonical_name():
    assert {entry.type for entry in CATALOG.values()} <= set(CLIENT_TYPES)
    assert [name for name in CATALOG if canonical(name) != name] == []


def test_a_key_in_the_environment_is_enough_for_a_known_provider():
    provider = Providers(KEY).find("langgenius/openai/openai")
    assert (provider.type, provider.base_url, provider.api_key) == ("openai", "https://api.openai.com/v1", "sk-1")


def test_keys_do_not_show():
    assert "sk-1" not in repr(Providers(KEY).find("openai"))


def test_the_environment_may_move_a_provider_and_say_how_to_speak_to_it():
    address = {"PENSTOCK_PROVIDER_MY_MODELS_BASE_URL": "http://10.0.0.1/v1/"}
    found = environment_providers(address | {"PENSTOCK_PROVIDER_MY_MODELS_TYPE": "anthropic"})
    assert found == {"my_models": Provider("my_models", "anthropic", "http://10.0.0.1/v1/")}
    assert Providers(address).find("my-models").base_url == "http://10.0.0.1/v1"


def test_the_wildcard_serves_what_is_not_configured():
    providers = Providers(KEY | {"PENSTOCK_PROVIDER_DEFAULT_BASE_URL": "http://router/v1"})
    assert providers.find("langgenius/deepseek/deepseek").base_url == "http://router/v1"
    assert providers.find("openai").base_url == "https://api.openai.com/v1"


def test_a_local_server_needs_no_configuration():
    assert Providers({}).find("langgenius/ollama/ollama").base_url == "http://127.0.0.1:11434/v1"


@pytest.mark.parametrize(
    ("environ", "name", "words"),
    [
        ({}, "langgenius/openai/openai", "PENSTOCK_PROVIDER_OPENAI_API_KEY"),
        ({"PENSTOCK_PROVIDER_AZURE_OPENAI_API_KEY": "k"}, "azure_openai", "PENSTOCK_PROVIDER_AZURE_OPENAI_BASE_URL"),
        ({**KEY, "PENSTOCK_PROVIDER_OPENAI_TYPE": "grpc"}, "openai", "grpc"),
    ],
)
def test_what_cannot_be_called_is_named(environ, name, words):
    with pytest.raises(ModelError, match=words) as caught:
        Providers(environ).find(name)
    assert caught.value.code == NOT_INITIALIZED


def test_stored_providers_are_read_anew_after_a_while(monkeypatch):
    monkeypatch.setattr("worker.llm.providers.FRESH_S", 0.0)
    stored = {}
    providers = Providers({}, lambda: stored)
    with pytest.raises(ModelError):
        providers.find("openai")
    stored["openai"] = Provider("openai", api_key="sk-2")
    assert providers.find("openai").api_key == "sk-2"


def test_the_environment_wins_over_what_is_stored_field_by_field():
    providers = Providers(KEY, lambda: {"openai": Provider("openai", "", "http://proxy/v1", "sk-2")})
    found = providers.find("openai")
    assert (found.base_url, found.api_key) == ("http://proxy/v1", "sk-1")


def test_nothing_is_known_of_a_name_that_no_document_has():
    assert entry_of("nobody/ever").base_url == ""
