"""What models can do, by their names: no request asks a provider for it, and an export does not say."""

from __future__ import annotations

import re

from worker.engine.models import COMPLETION, Features, ModelRef
from worker.llm.catalog import canonical

#: Providers whose models take a JSON schema.
SCHEMA_PROVIDERS = frozenset({"openai", "azure_openai", "anthropic", "google", "groq", "x", "fireworks", "mistralai", "ollama"})

#: Of OpenAI, all since GPT-4o.
NO_SCHEMA = re.compile(r"gpt-3\.5|gpt-4(?!o|\.[1-9])|chatgpt|instruct|gemma|mixtral|claude-(2|instant)")

#: Models that see nothing although most of their kind do. A provider would answer an image with an error.
BLIND = re.compile(
    r"gpt-3\.5|gpt-4-(0|32k)|^gpt-4$|^o1-(mini|preview)|o3-mini|instruct(?!.*vision)|deepseek-(chat|reasoner|v|r)|claude-(2|instant)"
    r"|^qwen-(max|plus|turbo|long)|qwq|qwen[\d.]*-\d+b|moonshot-v1-\d+k$|glm-\d(\.\d)?(-air|-flash|-plus|-x|-long)*$|command|gemini-1\.0|gemini-pro$"
)

#: Models whose chat takes sound.
HEARING = re.compile(r"audio|omni|gemini-(1\.5|[2-9])|voxtral")

#: Models whose chat takes moving pictures.
WATCHING = re.compile(r"gemini-(1\.5|[2-9])|video|qwen[\d.]*-(vl|omni)|qwen-vl|glm-4[\d.]*v|doubao.*(vision|seed)|kimi")

#: Models whose chat takes PDF files.
READING = re.compile(r"gpt-4o|gpt-4\.1|gpt-[5-9]|^o[1-9]|claude-(3|opus|sonnet|haiku|mythos|fable|[4-9])|gemini-(1\.5|[2-9])")


def features_of(model: ModelRef) -> Features:
    """What a model is assumed to do; an unknown one counts as able to see and to call tools."""
    name, provider = model.name.lower().rpartition("/")[2], canonical(model.provider)
    return Features(
        vision=model.mode != COMPLETION and BLIND.search(name) is None,
        audio=HEARING.search(name) is not None,
        video=WATCHING.search(name) is not None,
        document=READING.search(name) is not None,
        tool_call=model.mode != COMPLETION and re.search(r"instruct$|claude-(2|instant)|deepseek-r1|^o1-(mini|preview)", name) is None,
        json_schema=model.mode != COMPLETION and provider in SCHEMA_PROVIDERS and NO_SCHEMA.search(name) is None,
    )
