"""Makes documents of a knowledge base out of texts: chunks, their terms, and their vectors if the base has an embedding model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from worker.engine.models import ModelRef, Models
from worker.knowledge.chunks import chunks_of
from worker.knowledge.scoring import pack
from worker.knowledge.terms import document_terms
from worker.store.knowledge import Chunk, NewDocument

#: Chunks that one request embeds: what common providers take at a time.
EMBEDDED_TOGETHER = 32


def make_document(
    name: str, text: str, details: Mapping[str, Any], models: Models, embedding: tuple[str, str] | None = None
) -> NewDocument:
    """Raises ``ModelError`` if the embedding model fails."""
    contents = chunks_of(text)
    vectors = _embed(models, ModelRef(*embedding), contents) if embedding else [None] * len(contents)
    chunks = [Chunk(content, document_terms(content), vector) for content, vector in zip(contents, vectors, strict=True)]
    return NewDocument(name, len(text), chunks, details)


def _embed(models: Models, model: ModelRef, contents: Sequence[str]) -> list[bytes | None]:
    vectors: list[bytes | None] = []
    for start in range(0, len(contents), EMBEDDED_TOGETHER):
        vectors += map(pack, models.embed(model, contents[start : start + EMBEDDED_TOGETHER]).vectors)
    return vectors
