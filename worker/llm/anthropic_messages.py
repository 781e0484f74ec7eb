"""Requests in the wire format of Anthropic's Messages API."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from typing import Any

from worker.engine.models import ASSISTANT, SYSTEM, TOOL, USER, MediaPart, Message, ModelRequest, TextPart
from worker.llm.anthropic_schema import with_schema
from worker.llm.parameters import anthropic_parameters

#: This API wants a message of the user in any case.
EMPTY_USER = {"role": USER, "content": [{"type": "text", "text": "-"}]}


def body_of(request: ModelRequest, refused: Collection[str] = ()) -> dict[str, Any]:
    """The body of a streaming request; ``refused``: what the server does not take (``refusals.py``)."""
    name = request.model.name
    body: dict[str, Any] = {"model": name, "stream": True, **anthropic_parameters(name, request.parameters, refused)}
    if system := "\n\n".join(message.text for message in request.messages if message.role == SYSTEM):
        body["system"] = system
    if stop := [text for text in request.stop if text.strip()]:
        body["stop_sequences"] = stop
    if request.tools:
        body["tools"] = [
            {"name": tool.name, "description": tool.description, "input_schema": dict(tool.parameters)} for tool in request.tools
        ]
    if request.json_schema is not None:
        body |= with_schema(body, request.json_schema, name, refused)
    return {**body, "messages": turns(request.messages)}


def turns(messages: Sequence[Message]) -> list[dict[str, Any]]:
    """User and assistant in turn: neighbours of one role become one message, as the results of several tools must."""
    made: list[dict[str, Any]] = []
    for message in messages:
        if message.role == SYSTEM or not (blocks := _blocks(message)):
            continue
        role = ASSISTANT if message.role == ASSISTANT else USER
        if made and made[-1]["role"] == role:
            made[-1]["content"] += blocks
        else:
            made.append({"role": role, "content": blocks})
    return made or [EMPTY_USER]


def _blocks(message: Message) -> list[dict[str, Any]]:
    if message.role == TOOL:
        return [{"type": "tool_result", "tool_use_id": message.tool_call_id or "", "content": message.text}]
    blocks = [block for part in message.parts if (block := _block(part))]
    return blocks + [
        {"type": "tool_use", "id": call.id, "name": call.name, "input": _arguments(call.arguments)} for call in message.tool_calls
    ]


def _block(part: TextPart | MediaPart) -> dict[str, Any] | None:
    """None for what this API has no block for, an empty text among it."""
    if isinstance(part, TextPart):
        return {"type": "text", "text": part.text} if part.text.strip() else None
    kind = {"image": "image", "document": "document"}.get(part.file.type)
    if kind is None:
        return None
    title = {"title": part.file.filename} if kind == "document" else {}
    return {"type": kind, "source": _source(part), **title}


def _source(part: MediaPart) -> dict[str, Any]:
    if part.url:
        return {"type": "url", "url": part.url}
    if part.file.mime_type.startswith("text/"):
        # Of documents, this API takes only PDF as bytes.
        return {"type": "text", "media_type": "text/plain", "data": part.content.decode("utf-8", "replace")}
    return {"type": "base64", "media_type": part.file.mime_type, "data": part.base64}


def _arguments(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
