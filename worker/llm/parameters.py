"""``completion_params`` as providers want them: names and shapes that the editor's plugins translate."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Mapping
from typing import Any

from worker.engine.models import ModelRequest
from worker.llm.catalog import AZURE, OPENAI, canonical
from worker.llm.providers import Provider

#: What the vendor's own API knows; anything else it answers with an error.
OPENAI_PARAMETERS = frozenset(
    {
        "audio",
        "frequency_penalty",
        "logit_bias",
        "logprobs",
        "max_completion_tokens",
        "max_tokens",
        "metadata",
        "modalities",
        "n",
        "parallel_tool_calls",
    }
    | {"prediction", "presence_penalty", "prompt_cache_key", "reasoning_effort", "response_format", "safety_identifier", "seed"}
    | {"service_tier", "store", "temperature", "tool_choice", "top_logprobs", "top_p", "user", "verbosity", "web_search_options"}
    | {"best_of", "echo", "suffix"}
)

#: Of the editor alone: where a plugin reads it, it never reaches the provider.
EDITOR_ONLY = frozenset({"reasoning_format", "json_schema", "context_size", "stream", "model", "messages", "stop"})

#: Models that count thoughts as answer and take their limit under another name.
REASONING_PREFIXES = ("o1", "o3", "o4", "gpt-5")

#: The limit as plugins of these providers call it.
LIMIT_NAMES: Mapping[str, str] = {"google": "max_output_tokens", "ollama": "num_predict", "anthropic": "max_tokens_to_sample"}

#: Names in documents that are sent under other ones.
RENAMED = frozenset({*LIMIT_NAMES.values(), "max_tokens", "thinking_budget", "effort"})

#: Understood by the native API of these providers, refused or unknown at their OpenAI-compatible one.
REFUSED: Mapping[str, frozenset[str]] = {
    "google": frozenset({"top_k", "safety_settings", "thinking_budget", "include_thoughts", "grounding", "thinking_mode"}),
    "ollama": frozenset(
        {"num_ctx", "num_gpu", "num_thread", "mirostat", "mirostat_eta", "mirostat_tau", "repeat_last_n", "tfs_z", "keep_alive"}
    ),
}

DEFAULT_MAX_TOKENS = 4096
DEFAULT_THINKING_TOKENS = 1024


def openai_parameters(request: ModelRequest, provider: Provider, refused_before: Collection[str] = ()) -> dict[str, Any]:
    """For ``/chat/completions`` and ``/completions``; ``refused_before``: what the server does not take (``refusals.py``)."""
    name = canonical(provider.name)
    refused = EDITOR_ONLY | REFUSED.get(name, frozenset())
    renamed = _with_limit(request.parameters, LIMIT_NAMES.get(name, ""))
    found = {key: value for key, value in renamed.items() if value is not None and key not in refused}
    if provider.type in (OPENAI, AZURE):
        found = {key: value for key, value in found.items() if key in OPENAI_PARAMETERS}
    found |= _response_format(request)
    if "max_tokens" in found and ("max_tokens" in refused_before or _counts_thoughts(request, provider)):
        found["max_completion_tokens"] = found.pop("max_tokens")
    return {key: value for key, value in found.items() if key not in refused_before}


def _counts_thoughts(request: ModelRequest, provider: Provider) -> bool:
    return provider.type in (OPENAI, AZURE) and request.model.name.startswith(REASONING_PREFIXES)


def unsent_of(parameters: Mapping[str, Any], sent: Mapping[str, Any]) -> set[str]:
    """Parameters of a document that say something and reach the provider under no name."""
    return {name for name, value in parameters.items() if value not in (None, False)} - sent.keys() - EDITOR_ONLY - RENAMED


def _with_limit(parameters: Mapping[str, Any], other_name: str) -> dict[str, Any]:
    found = dict(parameters)
    if other_name in found:
        found.setdefault("max_tokens", found.pop(other_name))
    return found


def _response_format(request: ModelRequest) -> dict[str, Any]:
    """The editor writes a word, ``json_object``, and a schema as text beside it."""
    if request.json_schema is not None:
        return {"response_format": _schema_format("llm_response", request.json_schema)}
    given = request.parameters.get("response_format")
    if not isinstance(given, str):
        return {}
    if given.lower() == "json_schema" and (schema := _parsed(request.parameters.get("json_schema"))):
        # Either the bare schema, or what the API wraps around it.
        wrapped = schema if "schema" in schema else _schema_format("llm_response", schema)["json_schema"]
        return {"response_format": {"type": "json_schema", "json_schema": wrapped}}
    kind = "json_object" if "json" in given.lower() else "text"
    return {"response_format": {"type": kind}}


def _schema_format(name: str, schema: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "json_schema", "json_schema": {"name": name, "schema": schema}}


def _parsed(text: Any) -> dict[str, Any]:
    if isinstance(text, str):
        try:
            text = json.loads(text)
        except ValueError:
            return {}
    return dict(text) if isinstance(text, Mapping) else {}


#: Name in a document -> how it is put into a request.
ANTHROPIC_PARAMETERS: Mapping[str, Callable[[Any], Any]] = {
    "temperature": float,
    "top_p": float,
    "top_k": int,
    "metadata": dict,
    "service_tier": str,
    "tool_choice": dict,
    "container": str,
    "inference_geo": str,
    "speed": str,
    "context_management": dict,
}

SAMPLING = ("temperature", "top_p", "top_k")

#: Models that take no sampling parameters, and think as much as they see fit.
ADAPTIVE = re.compile(r"opus-4-[7-9]|(opus|sonnet|haiku|mythos|fable)-(\d\d|[5-9])(?!\d)|mythos-preview")


def anthropic_parameters(model: str, parameters: Mapping[str, Any], refused_before: Collection[str] = ()) -> dict[str, Any]:
    """For ``/v1/messages``, where a limit is required, and thoughts are part of it.

    A value of another type than the API has for it goes as it is: the provider says what is wrong with it.
    """
    renamed = _with_limit(parameters, LIMIT_NAMES["anthropic"])
    found = {name: _put(put, renamed[name]) for name, put in ANTHROPIC_PARAMETERS.items() if renamed.get(name) is not None}
    found |= {"max_tokens": _put(int, renamed.get("max_tokens") or DEFAULT_MAX_TOKENS)} | _thinking(model, renamed)
    if effort := renamed.get("effort"):
        found["output_config"] = {"effort": effort}
    # While it thinks, this API takes no sampling parameters.
    unwanted = {*refused_before, *(SAMPLING if "thinking" in found or ADAPTIVE.search(model) else ())} - {"max_tokens"}
    return {name: value for name, value in found.items() if name not in unwanted}


def _thinking(model: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """The editor writes a boolean and a budget beside it; ``{"type": ...}`` is the API's own form."""
    thinking = parameters.get("thinking")
    if isinstance(thinking, Mapping):
        return {"thinking": dict(thinking)} if thinking.get("type") != "disabled" else {}
    if thinking is not True:
        return {}
    if ADAPTIVE.search(model):
        return {"thinking": {"type": "adaptive", "display": "summarized"}}
    budget = _whole(parameters.get("thinking_budget"), DEFAULT_THINKING_TOKENS)
    limit = _whole(parameters.get("max_tokens"), DEFAULT_MAX_TOKENS)
    return {"thinking": {"type": "enabled", "budget_tokens": budget}, "max_tokens": max(limit, budget + 1)}


def _put(put: Callable[[Any], Any], value: Any) -> Any:
    try:
        return put(value)
    except (TypeError, ValueError, OverflowError):
        return value


def _whole(value: Any, usual: int) -> int:
    put = _put(int, value or usual)
    return put if isinstance(put, int) else usual
