"""Anthropic's Messages API, by the vendor's SDK; bodies and events are plain dictionaries, as in ``openai_client``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import anthropic

from worker.engine.models import NOT_SUPPORTED, Embeddings, ModelError, ModelRef, ModelRequest, RankedDocument, Usage
from worker.llm.anthropic_messages import body_of
from worker.llm.calls import Call
from worker.llm.drafts import Draft
from worker.llm.failures import cut_short, failures, worded
from worker.llm.network import open_http
from worker.llm.providers import Provider
from worker.llm.refusals import Refusals

PATH = "/v1/messages"

#: Parts of a prompt, by how they were paid for.
PROMPT_COUNTS = ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens")


class AnthropicClient:
    def __init__(self, provider: Provider) -> None:
        self._provider = provider
        self._refusals = Refusals(provider.name)
        self._http = open_http()
        base_url = provider.base_url.removesuffix("/v1")
        self._sdk = anthropic.Anthropic(api_key=provider.sent_key, base_url=base_url, max_retries=0, timeout=None, http_client=self._http)

    def close(self) -> None:
        self._http.close()

    def stream(self, request: ModelRequest, call: Call, draft: Draft) -> None:
        self._refusals.asked(
            request,
            lambda refused: body_of(request, refused),
            lambda body: self._stream(body, call, draft),
        )

    def _stream(self, body: Mapping[str, Any], call: Call, draft: Draft) -> None:
        reading = Reading(draft)
        with failures(anthropic, self._provider, call), self._opened(body) as stream:
            for event in stream:
                reading.take(event)
        if not reading.is_complete:
            raise cut_short(self._provider)

    def _opened(self, body: Mapping[str, Any]) -> anthropic.Stream[Any]:
        return self._sdk.post(PATH, cast_to=object, body=body, stream=True, stream_cls=anthropic.Stream[Any])

    def embed(self, model: ModelRef, texts: Sequence[str], call: Call) -> Embeddings:
        raise self._unable("embeddings")

    def rerank(self, model: ModelRef, query: str, documents: Sequence[str], top_n: int, call: Call) -> list[RankedDocument]:
        raise self._unable("ranking")

    def speak(self, model: ModelRef, text: str, voice: str, call: Call) -> Iterator[bytes]:
        raise self._unable("speech")

    def transcribe(self, model: ModelRef, audio: bytes, filename: str, mime_type: str, call: Call) -> str:
        raise self._unable("transcription")

    def _unable(self, what: str) -> ModelError:
        text = worded(f"This provider offers no {what}.", self._provider)
        return ModelError(text, code=NOT_SUPPORTED, error_type="ModelNotExistError")


@dataclass(slots=True)
class Reading:
    """A stream of events on its way to an answer."""

    draft: Draft
    prompt_tokens: int = 0
    completion_tokens: int = 0
    is_complete: bool = False

    def take(self, event: Any) -> None:
        """Raises ``ValueError`` for what is no event."""
        if not isinstance(event, Mapping):
            raise ValueError(f"no event: {event!r:.200}")
        match event.get("type"):
            case "message_start":
                self._count(event["message"].get("usage"))
            case "content_block_start":
                self._begin_block(event)
            case "content_block_delta":
                self._take_delta(event)
            case "message_delta":
                self._count(event.get("usage"))
                self.draft.finish_reason = event["delta"].get("stop_reason") or self.draft.finish_reason
            case "message_stop":
                self.is_complete = True

    def _begin_block(self, event: Mapping[str, Any]) -> None:
        block = event["content_block"]
        if block.get("type") == "tool_use":
            self.draft.call_tool(int(event["index"]), block["id"], block["name"], "")

    def _take_delta(self, event: Mapping[str, Any]) -> None:
        delta = event["delta"]
        match delta.get("type"):
            case "text_delta":
                self.draft.say(delta["text"])
            case "thinking_delta":
                self.draft.think(delta["thinking"])
            case "input_json_delta":
                self.draft.call_tool(int(event["index"]), "", "", delta["partial_json"])

    def _count(self, usage: Any) -> None:
        """The numbers so far; later events repeat them with the last word."""
        if isinstance(usage, Mapping):
            self.prompt_tokens = sum(int(usage.get(name) or 0) for name in PROMPT_COUNTS) or self.prompt_tokens
            self.completion_tokens = int(usage.get("output_tokens") or 0) or self.completion_tokens
            self.draft.usage = Usage(self.prompt_tokens, self.completion_tokens)


CLIENT = AnthropicClient
