"""Answers in the words of the OpenAI API."""

from __future__ import annotations

import base64
import time
from collections.abc import Iterator, Mapping
from typing import Any

from app.dev_model.asked import Asked
from app.dev_model.replies import Call, Reply, Usage
from app.dev_model.sounds import spoken
from app.dev_model.steps import Pause, Step, frame, paced
from app.dev_model.tokens import stable_hash, tokens_of

DONE = b"data: [DONE]\n\n"


def chat_body(asked: Asked, reply: Reply) -> dict[str, Any]:
    text = reply.whole_text
    message: dict[str, Any] = {"role": "assistant", "content": None if reply.is_sound else text or None}
    if reply.is_sound:
        message["audio"] = {"id": "audio-1", "data": _base64(b"".join(spoken(text, "wav"))), "transcript": text, "expires_at": 0}
    if reply.pictures:
        message["images"] = [_picture(url, place) for place, url in enumerate(reply.pictures)]
    if reply.reasoning:
        message["reasoning_content"] = "".join(reply.reasoning)
    if reply.calls:
        message["tool_calls"] = [_call(call, call.arguments) for call in reply.calls]
    return _body(asked, reply, "chat.completion", "chatcmpl", {"message": message})


def completion_body(asked: Asked, reply: Reply) -> dict[str, Any]:
    return _body(asked, reply, "text_completion", "cmpl", {"text": reply.whole_text})


def _body(asked: Asked, reply: Reply, kind: str, prefix: str, choice: Mapping[str, Any]) -> dict[str, Any]:
    body = _head(asked, kind, prefix) | {"choices": [{"index": 0, "logprobs": None, "finish_reason": reply.finish, **choice}]}
    return body if reply.usage is None else body | {"usage": _usage(reply.usage)}


def _head(asked: Asked, kind: str, prefix: str) -> dict[str, Any]:
    number = stable_hash(f"{asked.model} {asked.seed}")
    return {"id": f"{prefix}-{number:016x}", "object": kind, "created": int(time.time()), "model": asked.model}


def _usage(usage: Usage) -> dict[str, Any]:
    return {
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "total_tokens": usage.prompt_tokens + usage.completion_tokens,
        "prompt_tokens_details": {"cached_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
    }


def _call(call: Call, arguments: str) -> dict[str, Any]:
    return {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": arguments}}


def chat_steps(asked: Asked, reply: Reply) -> Iterator[Step]:
    head = _head(asked, "chat.completion.chunk", "chatcmpl")
    yield _chunk(head, {"role": "assistant", "content": ""})
    for delta in _deltas(reply):
        yield delta if isinstance(delta, Pause) else _chunk(head, delta)
    yield _chunk(head, {}, reply.finish)
    yield from _end(head, asked, reply)


def _deltas(reply: Reply) -> Iterator[dict[str, Any] | Pause]:
    for token in paced(reply.reasoning):
        yield token if isinstance(token, Pause) else {"reasoning_content": token}
    for token in reply.spoken():
        yield token if isinstance(token, Pause) else _heard(token) if reply.is_sound else {"content": token}
    for place, url in enumerate(reply.pictures):
        yield {"images": [_picture(url, place)]}
    for index, call in enumerate(reply.calls):
        yield {"tool_calls": [{"index": index, **_call(call, "")}]}
        for token in paced(tokens_of(call.arguments)):
            yield token if isinstance(token, Pause) else {"tool_calls": [{"index": index, "function": {"arguments": token}}]}


def _heard(word: str) -> dict[str, Any]:
    """A word as it is spoken: samples, as the vendor streams them."""
    return {"audio": {"id": "audio-1", "transcript": word, "data": _base64(b"".join(spoken(word, "pcm")))}}


def _picture(url: str, place: int) -> dict[str, Any]:
    return {"type": "image_url", "index": place, "image_url": {"url": url}}


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode()


def completion_steps(asked: Asked, reply: Reply) -> Iterator[Step]:
    head = _head(asked, "text_completion", "cmpl")
    for token in reply.spoken():
        yield token if isinstance(token, Pause) else _text_chunk(head, token)
    yield _text_chunk(head, "", reply.finish)
    yield from _end(head, asked, reply)


def _text_chunk(head: Mapping[str, Any], text: str, finish: str | None = None) -> bytes:
    return frame({**head, "choices": [{"index": 0, "text": text, "logprobs": None, "finish_reason": finish}]})


def _chunk(head: Mapping[str, Any], delta: Mapping[str, Any], finish: str | None = None) -> bytes:
    return frame({**head, "choices": [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}]})


def _end(head: Mapping[str, Any], asked: Asked, reply: Reply) -> Iterator[Step]:
    if asked.include_usage and reply.usage is not None:
        yield frame({**head, "choices": [], "usage": _usage(reply.usage)})
    yield DONE


def error_body(status: int, message: str, code: str | None = None, parameter: str | None = None) -> dict[str, Any]:
    kind = ERROR_TYPES.get(status, "server_error" if status >= 500 else "invalid_request_error")
    return {"error": {"message": message, "type": kind, "param": parameter, "code": code or ERROR_CODES.get(status)}}


def error_frame(message: str) -> bytes:
    """How a stream tells that it cannot go on."""
    return frame(error_body(500, message))


ERROR_TYPES: Mapping[int, str] = {401: "invalid_request_error", 403: "permission_error", 429: "rate_limit_exceeded"}
ERROR_CODES: Mapping[int, str] = {401: "invalid_api_key", 404: "model_not_found", 429: "rate_limit_exceeded"}
