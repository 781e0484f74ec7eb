"""Bodies of the Anthropic API -> what was asked for. Raises ``BadRequest`` where that API would answer 400."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from app.dev_model.asked import Asked, BadRequest, Tool, Turn
from app.dev_model.bodies import list_in, object_in, text_in, texts_of, whole_number_in

MEDIA_BLOCKS = ("image", "document")
SILENT_BLOCKS = ("tool_use", "thinking", "redacted_thinking")


def messages(body: Mapping[str, Any]) -> Asked:
    """`POST /v1/messages`."""
    given = list_in(body, "messages")
    max_tokens = whole_number_in(body, "max_tokens")
    if not given:
        raise BadRequest("messages: at least one message is required")
    if max_tokens is None:
        raise BadRequest("max_tokens: Field required")
    system = body.get("system")
    schema = _schema(body)
    return Asked(
        model=text_in(body, "model"),
        turns=[*_turns("system", system or "", "system"), *(turn for message in given for turn in _message(message))],
        tools=[Tool(text_in(tool, "name"), object_in(tool, "input_schema")) for tool in list_in(body, "tools")],
        tool_choice=_tool_choice(object_in(body, "tool_choice")),
        schema=schema,
        wants_json=schema is not None,
        max_tokens=max_tokens,
        stop=texts_of(body.get("stop_sequences") or [], "stop_sequences"),
        stream=bool(body.get("stream")),
    )


def _message(message: Mapping[str, Any]) -> Iterator[Turn]:
    role = message.get("role")
    if role not in ("user", "assistant"):
        raise BadRequest(f"messages: Unexpected role {role!r}. Allowed roles are 'user' or 'assistant'.")
    content = message.get("content")
    if not content and role == "user":
        raise BadRequest("messages: user messages must have non-empty content")
    yield from _turns(str(role), content or "", "messages")


def _turns(role: str, content: Any, where: str) -> Iterator[Turn]:
    """Results of tools, which stand in a user's message here, become turns of their own."""
    if isinstance(content, str):
        if content:
            yield Turn(role, content)
        return
    blocks = list_in({where: content}, where)
    texts = [text_in(block, "text") for block in blocks if block.get("type") == "text"]
    media = sum(block.get("type") in MEDIA_BLOCKS for block in blocks)
    if texts or media:
        yield Turn(role, "".join(texts), media)
    for block in blocks:
        if block.get("type") == "tool_result":
            result = block.get("content") or ""
            yield Turn("tool", result if isinstance(result, str) else json.dumps(result))
        elif block.get("type") not in ("text", *MEDIA_BLOCKS, *SILENT_BLOCKS):
            raise BadRequest(f"{where}: Input tag {block.get('type')!r} found, which is no type of content")


def _tool_choice(choice: Mapping[str, Any]) -> str:
    kind = choice.get("type", "auto")
    return {"auto": "auto", "any": "required", "none": "none"}.get(kind) or text_in(choice, "name")


def _schema(body: Mapping[str, Any]) -> Mapping[str, Any] | None:
    wanted = object_in(object_in(body, "output_config"), "format") or object_in(body, "output_format")
    return object_in(wanted, "schema") if wanted.get("type") == "json_schema" else None
