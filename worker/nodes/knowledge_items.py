"""Passages as a knowledge-retrieval node puts them out; llm nodes take them as context (nodes.md sections 6.4 and 6.11)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from worker.engine.knowledge import Passage


def items_of(passages: Sequence[Passage]) -> list[dict[str, Any]]:
    """In their order, which becomes their position."""
    return [_item(passage, position) for position, passage in enumerate(passages, 1)]


def _item(passage: Passage, position: int) -> dict[str, Any]:
    url = passage.metadata.get("url")
    return {
        "content": passage.content,
        "title": passage.document_name,
        **({"url": url} if isinstance(url, str) and url else {}),
        "files": [],
        "metadata": _metadata(passage, position),
    }


def _metadata(passage: Passage, position: int) -> dict[str, Any]:
    return {
        "_source": "knowledge",
        "dataset_id": passage.dataset.id,
        "dataset_name": passage.dataset.name,
        "document_id": passage.document_id,
        "document_name": passage.document_name,
        "data_source_type": passage.source,
        "segment_id": passage.segment_id,
        "retriever_from": "workflow",
        "score": passage.score,
        "position": position,
        # Hits are not counted: a retrieval would have to write for it.
        "segment_hit_count": 0,
        "segment_word_count": len(passage.content),
        "segment_position": passage.segment_position,
        "segment_index_node_hash": passage.segment_hash,
        "doc_metadata": dict(passage.metadata),
        "child_chunks": [],
    }
