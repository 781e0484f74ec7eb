"""Models that do not chat: embeddings, ranking, speech both ways; in the OpenAI API's words, ranking in those that most vendors share."""

from __future__ import annotations

import base64
from array import array
from collections.abc import Mapping
from typing import Any

from app.dev_model.asked import BadRequest
from app.dev_model.bodies import text_in, texts_of, whole_number_in
from app.dev_model.sounds import MEDIA_TYPES
from app.dev_model.tokens import tokens_of
from app.dev_model.vectors import SIZE, likeness, vector_of

#: Listed by `GET /v1/models`; any other name works too.
NAMES = ("dev", "dev-embedding", "dev-rerank", "dev-speech", "dev-transcription")


def model_list() -> dict[str, Any]:
    return {"object": "list", "data": [model(name) for name in NAMES]}


def model(name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": 1_760_000_000, "owned_by": "penstock"}


def embeddings(body: Mapping[str, Any]) -> dict[str, Any]:
    """`POST /v1/embeddings`. Raises ``BadRequest``."""
    texts = texts_of(body.get("input"), "input")
    if not texts or not all(texts):
        raise BadRequest("Invalid 'input': empty string or array.", "input")
    size = whole_number_in(body, "dimensions") or SIZE
    encode = _base64 if body.get("encoding_format") == "base64" else list
    data = [{"object": "embedding", "index": index, "embedding": encode(vector_of(text, size))} for index, text in enumerate(texts)]
    return {"object": "list", "model": text_in(body, "model"), "data": data, "usage": _usage(texts)}


def _base64(vector: list[float]) -> str:
    return base64.b64encode(array("f", vector).tobytes()).decode()


def _usage(texts: list[str]) -> dict[str, int]:
    count = sum(len(tokens_of(text)) for text in texts)
    return {"prompt_tokens": count, "total_tokens": count}


def rerank(body: Mapping[str, Any]) -> dict[str, Any]:
    """`POST /v1/rerank`. Raises ``BadRequest``."""
    query, documents = text_in(body, "query"), _documents(body.get("documents"))
    scored = [(likeness(query, text), index) for index, text in enumerate(documents)]
    best = sorted(scored, key=lambda item: (-item[0], item[1]))[: whole_number_in(body, "top_n") or len(documents)]
    results = [{"index": index, "relevance_score": score, "document": {"text": documents[index]}} for score, index in best]
    return {"model": text_in(body, "model"), "results": results, "usage": _usage([query, *documents])}


def _documents(given: Any) -> list[str]:
    if isinstance(given, list):
        given = [item.get("text") if isinstance(item, Mapping) else item for item in given]
    return texts_of(given, "documents")


def speech(body: Mapping[str, Any]) -> tuple[str, str]:
    """`POST /v1/audio/speech`: the text and a key of ``MEDIA_TYPES``. Raises ``BadRequest``."""
    text_in(body, "model")
    text_in(body, "voice")
    media = body.get("response_format") or "mp3"
    if media not in MEDIA_TYPES:
        raise BadRequest(f"Invalid value: {media!r}. Supported values are: {', '.join(map(repr, MEDIA_TYPES))}.", "response_format")
    return text_in(body, "input"), media


def transcription(body: Mapping[str, Any], text: str | None) -> str:
    """`POST /v1/audio/transcriptions`: the words, ``text`` if the script has them. Raises ``BadRequest``."""
    text_in(body, "model")
    file = body.get("file")
    if not isinstance(file, Mapping) or not file.get("size"):
        raise BadRequest("you must provide a file parameter", "file")
    return f"A sample transcript of {file['name']}, {file['size']} bytes." if text is None else text
