"""Requests in the OpenAI wire format."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from worker.engine.models import COMPLETION, TOOL, MediaPart, Message, ModelRequest, TextPart, ToolSpec, tool_call_json
from worker.llm.drafts import ANSWER_INSTRUCTION, ANSWER_TOOL
from worker.llm.parameters import openai_parameters
from worker.llm.providers import Provider

CHAT_PATH, COMPLETION_PATH = "/chat/completions", "/completions"

#: Asks for the numbers of tokens at the end of a stream.
WITH_USAGE = {"stream_options": {"include_usage": True}}


def path_of(request: ModelRequest) -> str:
    return COMPLETION_PATH if request.model.mode == COMPLETION else CHAT_PATH


def body_of(request: ModelRequest, provider: Provider, refused: Collection[str] = ()) -> dict[str, Any]:
    """The body of a streaming request; ``refused``: what the server does not take (``refusals.py``)."""
    body: dict[str, Any] = {"model": request.model.name, **openai_parameters(request, provider, refused), "stream": True, **WITH_USAGE}
    if request.stop:
        body["stop"] = list(request.stop)
    body = {name: value for name, value in body.items() if name not in refused}
    if request.model.mode == COMPLETION:
        return {**body, "prompt": "\n\n".join(message.text for message in request.messages)}
    if request.tools:
        body["tools"] = [_tool(tool) for tool in request.tools]
    if request.json_schema is not None and "response_format" in refused:
        body |= _answering_by_tool(request.json_schema)
    return {**body, "messages": [_message(message) for message in request.messages]}


def _answering_by_tool(schema: Mapping[str, Any]) -> dict[str, Any]:
    tool = _tool(ToolSpec(ANSWER_TOOL, ANSWER_INSTRUCTION, schema))
    return {"tools": [tool], "tool_choice": {"type": "function", "function": {"name": ANSWER_TOOL}}}


def _tool(tool: ToolSpec) -> dict[str, Any]:
    return {"type": "function", "function": {"name": tool.name, "description": tool.description, "parameters": dict(tool.parameters)}}


def _message(message: Message) -> dict[str, Any]:
    made: dict[str, Any] = {"role": message.role, "content": _content(message)}
    if message.tool_calls:
        made["tool_calls"] = [tool_call_json(call) for call in message.tool_calls]
        # Some servers refuse an empty text beside calls.
        made["content"] = made["content"] or None
    if message.role == TOOL:
        made["tool_call_id"] = message.tool_call_id or ""
    return made


def _content(message: Message) -> str | list[dict[str, Any]]:
    """A plain text where there is nothing else: not every server takes a list."""
    return [_part(part) for part in message.parts] if message.media else message.text


def _part(part: TextPart | MediaPart) -> dict[str, Any]:
    if isinstance(part, TextPart):
        return {"type": "text", "text": part.text}
    match part.file.type:
        case "image":
            return {"type": "image_url", "image_url": {"url": part.data, "detail": part.detail}}
        case "audio":
            return {"type": "input_audio", "input_audio": {"data": part.url or part.base64, "format": part.file.extension.lstrip(".")}}
        case "video":
            return {"type": "video_url", "video_url": {"url": part.data}}
        case _:
            return {"type": "file", "file": {"filename": part.file.filename, "file_data": part.data}}
