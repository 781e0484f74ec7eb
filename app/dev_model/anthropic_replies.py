"""Answers in the words of the Anthropic API."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from app.dev_model.asked import Asked
from app.dev_model.replies import Call, Reply
from app.dev_model.steps import Pause, Step, frame, paced
from app.dev_model.tokens import stable_hash, tokens_of

FINISHES: Mapping[str, str] = {"stop": "end_turn", "length": "max_tokens", "tool_calls": "tool_use"}

ERROR_TYPES: Mapping[int, str] = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    529: "overloaded_error",
}

#: Signs thoughts for a vendor that checks them; this one does not.
SIGNATURE = "c2lnbmVk"


def message_body(asked: Asked, reply: Reply) -> dict[str, Any]:
    content: list[dict[str, Any]] = []
    if reply.reasoning:
        content.append({"type": "thinking", "thinking": "".join(reply.reasoning), "signature": SIGNATURE})
    if reply.text:
        content.append({"type": "text", "text": reply.whole_text})
    content += [_tool_use(call) | {"input": json.loads(call.arguments)} for call in reply.calls]
    return _message(asked, reply, content) | {"stop_reason": _stop_reason(reply)} | {"usage": _usage(reply)}


def _message(asked: Asked, reply: Reply, content: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    return {
        "id": f"msg_{stable_hash(f'{asked.model} {asked.seed}'):016x}",
        "type": "message",
        "role": "assistant",
        "model": asked.model,
        "content": content,
        "stop_reason": None,
        "stop_sequence": None,
        "usage": {"input_tokens": _usage(reply)["input_tokens"], "output_tokens": 0},
    }


def _usage(reply: Reply) -> dict[str, int]:
    """This API always tells numbers: where the script wants none, they are 0."""
    if reply.usage is None:
        return {"input_tokens": 0, "output_tokens": 0}
    return {"input_tokens": reply.usage.prompt_tokens, "output_tokens": reply.usage.completion_tokens}


def _stop_reason(reply: Reply) -> str:
    return FINISHES.get(reply.finish, reply.finish)


def _tool_use(call: Call) -> dict[str, Any]:
    return {"type": "tool_use", "id": call.id.replace("call_", "toolu_"), "name": call.name, "input": {}}


def message_steps(asked: Asked, reply: Reply) -> Iterator[Step]:
    yield _event("message_start", message=_message(asked, reply, []))
    yield _event("ping")
    for index, (block, deltas) in enumerate(_blocks(reply)):
        yield _event("content_block_start", index=index, content_block=block)
        for delta in deltas:
            yield delta if isinstance(delta, Pause) else _event("content_block_delta", index=index, delta=delta)
        yield _event("content_block_stop", index=index)
    delta = {"stop_reason": _stop_reason(reply), "stop_sequence": None}
    yield _event("message_delta", delta=delta, usage={"output_tokens": _usage(reply)["output_tokens"]})
    yield _event("message_stop")


def _blocks(reply: Reply) -> Iterator[tuple[dict[str, Any], Iterator[dict[str, Any] | Pause]]]:
    """Each block as it starts, and what it grows by."""
    if reply.reasoning:
        yield {"type": "thinking", "thinking": "", "signature": ""}, _thinking(reply)
    if reply.text:
        yield {"type": "text", "text": ""}, _deltas("text_delta", "text", reply.spoken())
    for call in reply.calls:
        yield _tool_use(call), _deltas("input_json_delta", "partial_json", paced(tokens_of(call.arguments)))


def _thinking(reply: Reply) -> Iterator[dict[str, Any] | Pause]:
    yield from _deltas("thinking_delta", "thinking", paced(reply.reasoning))
    yield {"type": "signature_delta", "signature": SIGNATURE}


def _deltas(kind: str, key: str, tokens: Iterable[str | Pause]) -> Iterator[dict[str, Any] | Pause]:
    for token in tokens:
        yield token if isinstance(token, Pause) else {"type": kind, key: token}


def _event(name: str, **data: Any) -> bytes:
    return frame({"type": name, **data}, name)


def error_body(status: int, message: str) -> dict[str, Any]:
    return {"type": "error", "error": {"type": ERROR_TYPES.get(status, "api_error"), "message": message}}


def error_frame(message: str) -> bytes:
    """How a stream tells that it cannot go on."""
    return frame(error_body(500, message), "error")
