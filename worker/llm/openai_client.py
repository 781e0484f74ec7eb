"""Every provider that speaks the OpenAI wire format, by the vendor's SDK: OpenAI, Azure, and all that are compatible.

Bodies and events are plain dictionaries, sent and read by the SDK's own ``post``: compatible servers add parameters and fields that its
models lack, and building those models for every token would take most of the time of a worker with many streams.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import openai

from worker.engine.models import Embeddings, ModelRef, ModelRequest, RankedDocument, Usage
from worker.llm.calls import Call
from worker.llm.catalog import AZURE
from worker.llm.counting import tokens_of
from worker.llm.drafts import Draft
from worker.llm.failures import cut_short, failures
from worker.llm.network import open_http
from worker.llm.openai_answers import chunks_of, take_chunk
from worker.llm.openai_media import end_sound
from worker.llm.openai_messages import body_of, path_of
from worker.llm.providers import Provider
from worker.llm.refusals import Refusals

AZURE_API_VERSION = "2025-04-01-preview"

#: Bytes of a sound that are handed on together.
SOUND_BYTES = 8192

DEFAULT_SPEECH_MODEL = "tts-1"
DEFAULT_VOICE = "alloy"


class OpenAIClient:
    def __init__(self, provider: Provider) -> None:
        self._provider = provider
        self._http = open_http()
        self._sdk = make_sdk(provider, self._http)
        self._refusals = Refusals(provider.name)

    def close(self) -> None:
        self._http.close()

    def stream(self, request: ModelRequest, call: Call, draft: Draft) -> None:
        self._refusals.asked(
            request,
            lambda refused: body_of(request, self._provider, refused),
            lambda body: self._stream(request, body, call, draft),
        )

    def _stream(self, request: ModelRequest, body: Mapping[str, Any], call: Call, draft: Draft) -> None:
        with failures(openai, self._provider, call), self._opened(path_of(request), body) as stream:
            for chunk in chunks_of(stream.response, call):
                raise_told(chunk, stream.response)
                take_chunk(draft, chunk)
        if draft.finish_reason is None:
            raise cut_short(self._provider)
        end_sound(draft, request.parameters)

    def _opened(self, path: str, body: Mapping[str, Any]) -> openai.Stream[Any]:
        return self._sdk.post(path, cast_to=object, body=body, stream=True, stream_cls=openai.Stream[Any])

    def embed(self, model: ModelRef, texts: Sequence[str], call: Call) -> Embeddings:
        body = {"model": model.name, "input": list(texts), "encoding_format": "float"}
        with failures(openai, self._provider, call):
            told: Any = self._sdk.post("/embeddings", cast_to=object, body=body)
            rows = sorted(told["data"], key=lambda row: row["index"])
            vectors = [[float(number) for number in row["embedding"]] for row in rows]
            if len(vectors) != len(texts):
                raise ValueError("another number of vectors than of texts")
            tokens = int((told.get("usage") or {}).get("prompt_tokens") or 0)
        return Embeddings(vectors, Usage(prompt_tokens=tokens or sum(map(tokens_of, texts))))

    def rerank(self, model: ModelRef, query: str, documents: Sequence[str], top_n: int, call: Call) -> list[RankedDocument]:
        """The form that Jina, Cohere, SiliconFlow, Xinference and vLLM share."""
        body = {"model": model.name, "query": query, "documents": list(documents), "top_n": top_n}
        with failures(openai, self._provider, call):
            told: Any = self._sdk.post("/rerank", cast_to=object, body=body)
            ranked = [RankedDocument(int(row["index"]), float(row["relevance_score"])) for row in told["results"]]
        return sorted(ranked, key=lambda document: -document.score)[:top_n]

    def speak(self, model: ModelRef, text: str, voice: str, call: Call) -> Iterator[bytes]:
        speech = self._sdk.audio.speech.with_streaming_response
        with failures(openai, self._provider, call):
            name, sound = model.name or DEFAULT_SPEECH_MODEL, voice or DEFAULT_VOICE
            with speech.create(model=name, voice=sound, input=text, response_format="mp3") as response:
                for piece in response.iter_bytes(SOUND_BYTES):
                    call.heard()
                    yield piece

    def transcribe(self, model: ModelRef, audio: bytes, filename: str, mime_type: str, call: Call) -> str:
        with failures(openai, self._provider, call):
            told = self._sdk.audio.transcriptions.create(model=model.name, file=(filename, audio, mime_type), response_format="json")
            return told.text


def raise_told(chunk: Any, response: Any) -> None:
    """An error in the middle of a stream, as the SDK raises it."""
    told = chunk.get("error") if isinstance(chunk, Mapping) else None
    if told:
        message = told.get("message") if isinstance(told, Mapping) else told
        raise openai.APIError(str(message or "The provider reports an error."), request=response.request, body=told)


def make_sdk(provider: Provider, http: Any) -> openai.OpenAI:
    """Retries are ours, since a stop must end the waits between them."""
    key = provider.sent_key
    if provider.type == AZURE and not provider.base_url.endswith("/v1"):
        endpoint = provider.base_url.removesuffix("/openai")
        version = provider.api_version or AZURE_API_VERSION
        return openai.AzureOpenAI(azure_endpoint=endpoint, api_key=key, api_version=version, max_retries=0, timeout=None, http_client=http)
    return openai.OpenAI(base_url=provider.base_url, api_key=key, max_retries=0, timeout=None, http_client=http)


CLIENT = OpenAIClient
