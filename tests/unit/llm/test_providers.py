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


#: Names of providers in exports, with the address that their vendors document; none: everybody has an own one.
DOCUMENTED = {
    "openai": "https://api.openai.com/v1",
    "anthropic": "https://api.anthropic.com",
    "google": "https://generativelanguage.googleapis.com/v1beta/openai",
    "gemini": "https://generativelanguage.googleapis.com/v1beta/openai",
    "deepseek": "https://api.deepseek.com/v1",
    "tongyi": "https://dashscope.aliyuncs.com/compatible-mode/v1",
    "volcengine_maas": "https://ark.cn-beijing.volces.com/api/v3",
    "siliconflow": "https://api.siliconflow.cn/v1",
    "moonshot": "https://api.moonshot.cn/v1",
    "zhipuai": "https://open.bigmodel.cn/api/paas/v4",
    "zai": "https://api.z.ai/api/paas/v4",
    "minimax": "https://api.minimax.io/v1",
    "hunyuan": "https://tokenhub.tencentcloudmaas.com/v1",
    "tencent": "https://tokenhub.tencentcloudmaas.com/v1",
    "modelscope": "https://api-inference.modelscope.cn/v1",
    "groq": "https://api.groq.com/openai/v1",
    "openrouter": "https://openrouter.ai/api/v1",
    "mistralai": "https://api.mistral.ai/v1",
    "cohere": "https://api.cohere.ai/compatibility/v1",
    "x": "https://api.x.ai/v1",
    "togetherai": "https://api.together.ai/v1",
    "fireworks": "https://api.fireworks.ai/inference/v1",
    "novita": "https://api.novita.ai/openai/v1",
    "ppio": "https://api.ppio.com/openai/v1",
    "aihubmix": "https://aihubmix.com/v1",
    "cometapi": "https://api.cometapi.com/v1",
    "cerebras": "https://api.cerebras.ai/v1",
    "sambanova": "https://api.sambanova.ai/v1",
    "mimo": "https://api.xiaomimimo.com/v1",
    "nvidia": "https://integrate.api.nvidia.com/v1",
    "nvidia_nim": "https://integrate.api.nvidia.com/v1",
    "huggingface_hub": "https://router.huggingface.co/v1",
    "upstage": "https://api.upstage.ai/v1",
    "ollama": "http://127.0.0.1:11434/v1",
    **dict.fromkeys(("openai_api_compatible", "azure_openai", "bedrock", "vertex_ai", "xinference", "localai", "gpustack", "vllm"), ""),
}


@pytest.mark.parametrize("name", DOCUMENTED)
@pytest.mark.parametrize("written", ["{0}", "langgenius/{0}/{0}", "someone/plugin/{0}", " {0} ", "{0}/"])
def test_every_name_of_exports_leads_to_its_vendor(name, written):
    assert entry_of(written.format(name)).base_url == DOCUMENTED[name]
    assert canonical(written.format(name)) in CATALOG


@pytest.mark.parametrize("name", DOCUMENTED)
def test_the_wildcard_serves_every_name_under_which_nothing_is_configured(name):
    providers = Providers({"PENSTOCK_PROVIDER_DEFAULT_BASE_URL": "http://router/v1", "PENSTOCK_PROVIDER_DEFAULT_API_KEY": "k"})
    expected = DOCUMENTED[name] if entry_of(name).is_local else "http://router/v1"
    assert providers.find(f"langgenius/{name}/{name}").base_url == expected


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
