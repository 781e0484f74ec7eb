"""The providers that documents name: which client speaks to each, and where it is unless the operator says otherwise.

All but Anthropic speak the OpenAI wire format at a public address of their own, so two SDKs serve them all.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

OPENAI, COMPATIBLE, AZURE, ANTHROPIC = "openai", "openai-compatible", "azure", "anthropic"

#: Types of clients. ``openai`` is the vendor itself, which refuses parameters that it does not know.
CLIENT_TYPES = (OPENAI, COMPATIBLE, AZURE, ANTHROPIC)

#: Name of the provider that serves every name that is not configured.
WILDCARD = "default"

#: Other spellings in documents, settings and plugins.
ALIASES: Mapping[str, str] = {
    "*": WILDCARD,
    "gemini": "google",
    "azure": "azure_openai",
    "claude": "anthropic",
    "dashscope": "tongyi",
    "qwen": "tongyi",
    "volcengine": "volcengine_maas",
    "doubao": "volcengine_maas",
    "mistral": "mistralai",
    "kimi": "moonshot",
    "grok": "x",
    "xai": "x",
    "together": "togetherai",
    "hugging_face": "huggingface_hub",
    "nvidia_nim": "nvidia",
    "hunyuan": "tencent",
    "tokenhub": "tencent",
    "ppinfra": "ppio",
    "z_ai": "zai",
    "xiaomi_mimo": "mimo",
    "oaicompat": "openai_api_compatible",
}


@dataclass(frozen=True, slots=True)
class Entry:
    """What is known of a provider by its name."""

    type: str = COMPATIBLE
    #: Empty: everybody has an address of their own, so it must be configured.
    base_url: str = ""
    #: Works without any configuration: a server on the worker's own machine.
    is_local: bool = False
    #: Its name in the price table.
    price_id: str = ""


CATALOG: Mapping[str, Entry] = {
    "openai": Entry(OPENAI, "https://api.openai.com/v1", price_id="openai"),
    "azure_openai": Entry(AZURE, price_id="azure"),
    "anthropic": Entry(ANTHROPIC, "https://api.anthropic.com", price_id="anthropic"),
    "google": Entry(base_url="https://generativelanguage.googleapis.com/v1beta/openai", price_id="google"),
    "vertex_ai": Entry(price_id="google"),
    "bedrock": Entry(price_id="aws"),
    "deepseek": Entry(base_url="https://api.deepseek.com/v1", price_id="deepseek"),
    "tongyi": Entry(base_url="https://dashscope.aliyuncs.com/compatible-mode/v1"),
    "volcengine_maas": Entry(base_url="https://ark.cn-beijing.volces.com/api/v3"),
    "siliconflow": Entry(base_url="https://api.siliconflow.cn/v1"),
    "moonshot": Entry(base_url="https://api.moonshot.cn/v1", price_id="moonshotai"),
    "zhipuai": Entry(base_url="https://open.bigmodel.cn/api/paas/v4", price_id="zhipuai"),
    "zai": Entry(base_url="https://api.z.ai/api/paas/v4", price_id="zai"),
    "minimax": Entry(base_url="https://api.minimax.io/v1", price_id="minimax"),
    "baichuan": Entry(base_url="https://api.baichuan-ai.com/v1"),
    "yi": Entry(base_url="https://api.lingyiwanwu.com/v1"),
    "stepfun": Entry(base_url="https://api.stepfun.com/v1"),
    "spark": Entry(base_url="https://spark-api-open.xf-yun.com/v1"),
    "wenxin": Entry(base_url="https://qianfan.baidubce.com/v2"),
    "tencent": Entry(base_url="https://tokenhub.tencentcloudmaas.com/v1"),
    "zhinao": Entry(base_url="https://api.360.cn/v1"),
    "mimo": Entry(base_url="https://api.xiaomimimo.com/v1"),
    "ppio": Entry(base_url="https://api.ppio.com/openai/v1"),
    "aihubmix": Entry(base_url="https://aihubmix.com/v1"),
    "cometapi": Entry(base_url="https://api.cometapi.com/v1"),
    "gitee_ai": Entry(base_url="https://ai.gitee.com/v1"),
    "modelscope": Entry(base_url="https://api-inference.modelscope.cn/v1"),
    "groq": Entry(base_url="https://api.groq.com/openai/v1", price_id="groq"),
    "openrouter": Entry(base_url="https://openrouter.ai/api/v1", price_id="openrouter"),
    "mistralai": Entry(base_url="https://api.mistral.ai/v1", price_id="mistral"),
    "cohere": Entry(base_url="https://api.cohere.ai/compatibility/v1", price_id="cohere"),
    "x": Entry(base_url="https://api.x.ai/v1", price_id="x-ai"),
    "perplexity": Entry(base_url="https://api.perplexity.ai", price_id="perplexity"),
    "togetherai": Entry(base_url="https://api.together.ai/v1", price_id="together"),
    "fireworks": Entry(base_url="https://api.fireworks.ai/inference/v1", price_id="fireworks"),
    "deepinfra": Entry(base_url="https://api.deepinfra.com/v1/openai"),
    "novita": Entry(base_url="https://api.novita.ai/openai/v1", price_id="novita"),
    "cerebras": Entry(base_url="https://api.cerebras.ai/v1", price_id="cerebras"),
    "sambanova": Entry(base_url="https://api.sambanova.ai/v1"),
    "nvidia": Entry(base_url="https://integrate.api.nvidia.com/v1"),
    "huggingface_hub": Entry(base_url="https://router.huggingface.co/v1"),
    "github": Entry(base_url="https://models.github.ai/inference"),
    "upstage": Entry(base_url="https://api.upstage.ai/v1"),
    "jina": Entry(base_url="https://api.jina.ai/v1"),
    "voyage": Entry(base_url="https://api.voyageai.com/v1", price_id="voyageai"),
    "ollama": Entry(base_url="http://127.0.0.1:11434/v1", is_local=True),
    "lmstudio": Entry(base_url="http://127.0.0.1:1234/v1", is_local=True),
    "xinference": Entry(),
    "localai": Entry(),
    "vllm": Entry(),
    "openllm": Entry(),
    "gpustack": Entry(),
    "openai_api_compatible": Entry(),
}


def canonical(name: str) -> str:
    """The one name of a provider, however it is written: ``langgenius/openai/openai``, ``OpenAI``, ``azure-openai`` ...

    Names are equal if their last parts are (dsl.md section 4).
    """
    last = name.strip().rstrip("/").rpartition("/")[2].lower()
    plain = "*" if last == "*" else re.sub(r"[^a-z0-9]+", "_", last).strip("_")
    return ALIASES.get(plain, plain)


def entry_of(name: str) -> Entry:
    """What is known of a provider; nothing, for a name that no document ever had."""
    return CATALOG.get(canonical(name), Entry())
