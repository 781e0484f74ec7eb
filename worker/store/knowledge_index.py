"""Finds chunks of a knowledge base: by their terms in the database's own full-text index, by their vectors one by one.

The index only says which chunks are worth a look; whoever asked scores them, so that scores do not depend on the database.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, cast, column, func, literal_column, select, table, text
from sqlalchemy.dialects.postgresql import TSQUERY
from sqlalchemy.orm import Session

from worker.store.encoding import loads
from worker.store.models import KnowledgeChunk, KnowledgeDocument

#: Statements of any columns.
Statement = Select[*tuple[Any, ...]]

#: Rows that are in memory at a time while vectors are compared.
BATCH = 500


@dataclass(frozen=True, slots=True)
class FoundChunk:
    id: int
    #: 1-based place in its document.
    position: int
    content: str
    vector: bytes | None
    document_id: str
    document_name: str
    details: dict[str, Any]


def index_terms(terms: Sequence[str], dialect: str) -> str:
    """Terms as the column takes them: FTS5 splits a text, PostgreSQL reads quoted lexemes and need not parse any language."""
    return " ".join(f"'{term}'" for term in dict.fromkeys(terms)) if dialect == "postgresql" else " ".join(terms)


def match_terms(
    session: Session, base_id: str, terms: Sequence[str], limit: int, documents: Collection[str] | None = None
) -> list[FoundChunk]:
    """The chunks that have any of the terms, those with the most and the rarest ones first. ``documents`` are ids; None: all."""
    if not terms:
        return []
    of_dialect = _by_tsvector if session.get_bind().dialect.name == "postgresql" else _by_fts5
    statement = of_dialect(_chunks(base_id, documents), terms)
    return [_found(row) for row in session.execute(statement.limit(limit))]


def each_vector(session: Session, base_id: str, documents: Collection[str] | None = None) -> Iterator[tuple[int, bytes]]:
    """Id and vector of every chunk that has one, read in batches."""
    having = [*_within(base_id, documents), KnowledgeChunk.vector.is_not(None)]
    wanted = select(KnowledgeChunk.id, KnowledgeChunk.vector).where(*having).order_by(KnowledgeChunk.id).limit(BATCH)
    last = 0
    while rows := session.execute(wanted.where(KnowledgeChunk.id > last)).all():
        for chunk_id, vector in rows:
            yield chunk_id, vector or b""
        last = rows[-1].id


def load_chunks(session: Session, base_id: str, ids: Collection[int]) -> list[FoundChunk]:
    return [_found(row) for row in session.execute(_chunks(base_id, None).where(KnowledgeChunk.id.in_(ids)))]


def _chunks(base_id: str, documents: Collection[str] | None) -> Statement:
    return (
        select(
            KnowledgeChunk.id,
            KnowledgeChunk.position,
            KnowledgeChunk.content,
            KnowledgeChunk.vector,
            KnowledgeChunk.document_id,
            KnowledgeDocument.name,
            KnowledgeDocument.details,
        )
        .join(KnowledgeDocument, KnowledgeDocument.id == KnowledgeChunk.document_id)
        .where(*_within(base_id, documents))
    )


def _within(base_id: str, documents: Collection[str] | None) -> list[ColumnElement[bool]]:
    of_base = KnowledgeChunk.base_id == base_id
    return [of_base] if documents is None else [of_base, KnowledgeChunk.document_id.in_(documents)]


def _by_fts5(chunks: Statement, terms: Sequence[str]) -> Statement:
    index = table("knowledge_index", column("rowid"))
    query = " OR ".join(f'"{term}"' for term in terms)
    matching = text("knowledge_index MATCH :query").bindparams(query=query)
    return chunks.join(index, index.c.rowid == KnowledgeChunk.id).where(matching).order_by(literal_column("knowledge_index.rank"))


def _by_tsvector(chunks: Statement, terms: Sequence[str]) -> Statement:
    query = cast(" | ".join(f"'{term}'" for term in terms), TSQUERY)
    return chunks.where(KnowledgeChunk.terms.op("@@")(query)).order_by(func.ts_rank(KnowledgeChunk.terms, query).desc(), KnowledgeChunk.id)


def _found(row: Row[*tuple[Any, ...]]) -> FoundChunk:
    chunk_id, position, content, vector, document_id, name, details = row
    return FoundChunk(chunk_id, position, content, vector, document_id, name, loads(details))
