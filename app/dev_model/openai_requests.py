"""Bodies of the OpenAI API -> what was asked for. Raises ``BadRequest`` where that API would answer 400."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from app.dev_model.asked import Asked, BadRequest, Tool, Turn
from app.dev_model.bodies import list_in, object_in, text_in, texts_of, whole_number_in

ROLES = ("system", "developer", "user", "assistant", "tool", "function")
MEDIA_PARTS = ("image_url", "input_audio", "file", "video_url", "audio_url")


def chat(body: Mapping[str, Any]) -> Asked:
    """`POST /v1/chat/completions`."""
    messages = list_in(body, "messages")
    if not messages:
        raise BadRequest("Invalid 'messages': empty array. Expected an array with minimum length 1.", "messages")
    _check_order(messages)
    schema, wants_json = _format(body)
    return Asked(
        model=text_in(body, "model"),
        turns=[_turn(message, number) for number, message in enumerate(messages)],
        tools=[_tool(tool) for tool in list_in(body, "tools")],
        tool_choice=_tool_choice(body.get("tool_choice")),
        schema=schema,
        wants_json=wants_json,
        max_tokens=whole_number_in(body, "max_completion_tokens", "max_tokens"),
        stop=texts_of(body.get("stop") or [], "stop"),
        stream=bool(body.get("stream")),
        include_usage=bool(object_in(body, "stream_options").get("include_usage")),
    )


def completion(body: Mapping[str, Any]) -> Asked:
    """`POST /v1/completions`."""
    prompts = texts_of(body.get("prompt"), "prompt")
    return Asked(
        model=text_in(body, "model"),
        turns=[Turn("user", "\n".join(prompts))],
        max_tokens=whole_number_in(body, "max_tokens"),
        stop=texts_of(body.get("stop") or [], "stop"),
        stream=bool(body.get("stream")),
        include_usage=bool(object_in(body, "stream_options").get("include_usage")),
    )


def _turn(message: Mapping[str, Any], number: int) -> Turn:
    role, content = message.get("role"), message.get("content")
    where = f"messages[{number}]"
    if role not in ROLES:
        raise BadRequest(f"Invalid value: {role!r}. Supported values are: {', '.join(map(repr, ROLES))}.", f"{where}.role")
    if content is None and role == "assistant":
        content = ""
    if isinstance(content, str):
        return Turn(role, content)
    if not isinstance(content, list) or not content:
        raise BadRequest(f"Invalid value for 'content': expected a string or an array of parts, got {content!r}.", f"{where}.content")
    parts = [_part(part, f"{where}.content") for part in content]
    return Turn(role, "".join(part for part in parts if part is not None), sum(part is None for part in parts))


def _part(part: Any, where: str) -> str | None:
    """The text of a part; None for one of another medium."""
    kind = part.get("type") if isinstance(part, Mapping) else None
    if kind == "text" and isinstance(part.get("text"), str):
        return str(part["text"])
    if kind == "refusal":
        return ""
    if kind not in MEDIA_PARTS or not isinstance(part.get(kind), Mapping):
        raise BadRequest(f"Invalid value: {kind!r}. Supported values are: 'text', {', '.join(map(repr, MEDIA_PARTS))}.", where)
    return None


def _check_order(messages: list[Mapping[str, Any]]) -> None:
    """Results of tools answer calls of the assistant, each exactly one."""
    open_calls: list[str] = []
    for message in messages:
        if message.get("role") == "tool":
            if message.get("tool_call_id") not in open_calls:
                raise BadRequest("messages with role 'tool' must be a response to a preceding message with 'tool_calls'.", "messages")
            open_calls.remove(str(message["tool_call_id"]))
        elif open_calls:
            break
        else:
            open_calls = [str(call.get("id")) for call in list_in(message, "tool_calls")]
    if open_calls:
        raise BadRequest(
            "An assistant message with 'tool_calls' must be followed by tool messages responding to each 'tool_call_id'. "
            f"The following tool_call_ids did not have response messages: {', '.join(open_calls)}",
            "messages",
        )


def _tool(tool: Mapping[str, Any]) -> Tool:
    function = object_in(tool, "function")
    return Tool(text_in(function, "name"), object_in(function, "parameters"))


def _tool_choice(choice: Any) -> str:
    if isinstance(choice, Mapping):
        return text_in(object_in(choice, "function"), "name")
    if choice not in (None, "auto", "none", "required"):
        raise BadRequest(f"Invalid value: {choice!r}. Supported values are: 'none', 'auto', and 'required'.", "tool_choice")
    return choice or "auto"


def _format(body: Mapping[str, Any]) -> tuple[Mapping[str, Any] | None, bool]:
    """The schema of `response_format`, and whether any JSON is wanted."""
    wanted = object_in(body, "response_format")
    kind = wanted.get("type", "text")
    if kind == "json_schema":
        named = object_in(wanted, "json_schema")
        text_in(named, "name")
        return object_in(named, "schema"), True
    if kind not in ("text", "json_object"):
        raise BadRequest(
            f"Invalid value: {kind!r}. Supported values are: 'text', 'json_object', and 'json_schema'.", "response_format.type"
        )
    return None, kind == "json_object"
