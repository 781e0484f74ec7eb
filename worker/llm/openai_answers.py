"""Answers in the OpenAI wire format, as loosely as its many speakers keep to it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from typing import Any

import httpx2

from worker.engine.models import Usage
from worker.llm.calls import Call
from worker.llm.drafts import MAX_MEDIA_BYTES, Draft
from worker.llm.openai_media import picture_of, take_sound

#: Where providers put the thoughts of a model.
REASONING_FIELDS = ("reasoning_content", "reasoning", "thinking")


#: Ends a stream.
DONE = b"[DONE]"

#: Of one event: a whole answer in base64 and what is around it.
MAX_EVENT_BYTES = 2 * MAX_MEDIA_BYTES


def chunks_of(response: httpx2.Response, call: Call) -> Iterator[Any]:
    """The JSON of each event; of a server that does not stream, its whole answer as if it were one event."""
    if response.headers.get("content-type", "").startswith("application/json"):
        yield json.loads(response.read())
        return
    pieces = response.iter_bytes()
    for data in events_of(pieces):
        if data == DONE:
            read_rest(pieces, call)
            return
        yield json.loads(data)


def read_rest(pieces: Iterator[bytes], call: Call) -> None:
    """The end of the body: a connection that is read to its end serves the next call, too."""
    call.hurry()
    with suppress(httpx2.HTTPError):
        for _ in pieces:
            pass


def events_of(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """The data of each event, which in this format is one line."""
    yield from (line[5:].strip() for line in lines_of(pieces) if line.startswith(b"data:"))


def lines_of(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Each line once it is whole; a picture is one of thousands of pieces. Raises ``ValueError`` for one without an end."""
    held: list[bytes] = []
    size = 0
    for piece in pieces:
        *lines, rest = piece.split(b"\n")
        for line in lines:
            yield b"".join((*held, line))
            held.clear()
            size = 0
        held.append(rest)
        size += len(rest)
        if size > MAX_EVENT_BYTES:
            raise ValueError(f"an event longer than {MAX_EVENT_BYTES} bytes")
    yield b"".join(held)


def take_chunk(draft: Draft, chunk: Any) -> None:
    """Raises ``ValueError`` for what is no chunk."""
    if not isinstance(chunk, Mapping):
        raise ValueError(f"no chunk: {chunk!r:.200}")
    if usage := _usage(chunk.get("usage")):
        draft.usage = usage
    for choice in _mappings(chunk.get("choices"))[:1]:
        _take_choice(draft, choice)


def _take_choice(draft: Draft, choice: Mapping[str, Any]) -> None:
    said = choice.get("delta") or choice.get("message") or {}
    if not isinstance(said, Mapping):
        raise ValueError(f"no chunk: {said!r:.200}")
    for name in REASONING_FIELDS:
        if isinstance(thought := said.get(name), str) and thought:
            draft.think(thought)
            break
    _take_content(draft, said.get("content", choice.get("text")))
    for image in _mappings(said.get("images")):
        draft.show(picture_of(image))
    if isinstance(audio := said.get("audio"), Mapping):
        take_sound(draft, audio)
    for place, call in enumerate(_mappings(said.get("tool_calls"))):
        _take_call(draft, call, place)
    if choice.get("finish_reason"):
        draft.finish_reason = str(choice["finish_reason"])


def _take_content(draft: Draft, content: Any) -> None:
    """A text, or a list of parts, some of which may be thoughts or pictures."""
    if isinstance(content, str):
        draft.say(content)
    for part in _mappings(content):
        if part.get("type") == "thinking":
            draft.think("".join(str(piece.get("text", "")) for piece in _mappings(part.get("thinking"))))
        elif "image_url" in part:
            draft.show(picture_of(part))
        else:
            draft.say(str(part.get("text") or ""))


def _take_call(draft: Draft, call: Mapping[str, Any], place: int) -> None:
    function = call.get("function")
    function = function if isinstance(function, Mapping) else {}
    arguments = function.get("arguments") or ""
    written = arguments if isinstance(arguments, str) else json.dumps(arguments, ensure_ascii=False)
    index = call.get("index")
    draft.call_tool(index if isinstance(index, int) else place, str(call.get("id") or ""), str(function.get("name") or ""), written)


def _usage(told: Any) -> Usage | None:
    """None where nothing is counted: some servers send zeros on the way."""
    if not isinstance(told, Mapping):
        return None
    prompt, completion, total = (int(told.get(name) or 0) for name in ("prompt_tokens", "completion_tokens", "total_tokens"))
    return Usage(prompt, completion, total) if prompt or completion or total else None


def _mappings(found: Any) -> list[Mapping[str, Any]]:
    return [item for item in found if isinstance(item, Mapping)] if isinstance(found, list) else []
