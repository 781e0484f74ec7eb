"""Knowledge bases and their documents (nodes.md section 6.11). ``store/knowledge_index.py`` finds things in them."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import delete, func, insert, select
from sqlalchemy.orm import Session

from worker.store.clock import now_s
from worker.store.encoding import clean_text, dumps, loads
from worker.store.errors import NotFound
from worker.store.knowledge_index import index_terms
from worker.store.models import KnowledgeBase, KnowledgeChunk, KnowledgeDocument
from worker.store.upsert import insert_or


@dataclass(frozen=True, slots=True)
class Chunk:
    content: str
    #: What it is found by, repetitions included; letters and digits alone.
    terms: Sequence[str]
    #: 32-bit floats; None in a base without an embedding model.
    vector: bytes | None = None


@dataclass(frozen=True, slots=True)
class NewDocument:
    name: str
    #: Characters of its text.
    size: int
    chunks: Sequence[Chunk]
    #: What metadata conditions compare.
    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class DocumentFacts:
    id: str
    name: str
    details: Mapping[str, Any]
    size: int
    chunks: int
    #: Epoch seconds.
    created_at: float


def ensure_base(session: Session, name: str, embedding: tuple[str, str] | None = None) -> KnowledgeBase:
    """The base of this name; made, with a provider's embedding model if one is given, unless it exists."""
    provider, model = embedding or (None, None)
    row = {"id": str(uuid.uuid4()), "name": name, "embedding_provider": provider, "embedding_model": model, "created_at": now_s()}
    session.execute(insert_or(session, KnowledgeBase).values(row).on_conflict_do_nothing(index_elements=["name"]))
    return find_base(session, name)


def find_base(session: Session, name: str) -> KnowledgeBase:
    """Raises ``NotFound``."""
    found = session.scalar(select(KnowledgeBase).where(KnowledgeBase.name == name))
    if found is None:
        raise NotFound(f"There is no knowledge base {name!r}.")
    return found


def list_bases(session: Session) -> list[tuple[KnowledgeBase, int, int]]:
    """Every base by name, with the numbers of its documents and chunks."""
    documents = select(func.count()).where(KnowledgeDocument.base_id == KnowledgeBase.id).scalar_subquery()
    chunks = select(func.count()).where(KnowledgeChunk.base_id == KnowledgeBase.id).scalar_subquery()
    rows = session.execute(select(KnowledgeBase, documents, chunks).order_by(KnowledgeBase.name))
    return [(base, number, pieces) for base, number, pieces in rows]


def delete_base(session: Session, name: str) -> None:
    """With its documents, and the maps that lead to it. Raises ``NotFound``."""
    base = find_base(session, name)
    session.execute(delete(KnowledgeBase).where(KnowledgeBase.id == base.id))


def save_document(session: Session, base_id: str, document: NewDocument) -> str:
    """Keep a document, in place of an earlier one of its name; answers its id."""
    # A file name need not be text: what is none of it is replaced.
    name, document_id = clean_text(document.name), str(uuid.uuid4())
    _remove(session, base_id, name)
    facts = {"id": document_id, "base_id": base_id, "name": name, "size": document.size, "created_at": now_s()}
    session.execute(insert(KnowledgeDocument).values(details=dumps(document.details), **facts))
    dialect = session.get_bind().dialect.name
    rows = [
        {
            "base_id": base_id,
            "document_id": document_id,
            "position": position,
            "content": clean_text(chunk.content),
            "terms": index_terms(chunk.terms, dialect),
            "vector": chunk.vector,
        }
        for position, chunk in enumerate(document.chunks, 1)
    ]
    if rows:
        session.execute(insert(KnowledgeChunk), rows)
    return document_id


def delete_document(session: Session, base_id: str, name: str) -> None:
    """Raises ``NotFound``."""
    if not _remove(session, base_id, name):
        raise NotFound(f"The knowledge base has no document {name!r}.")


def list_documents(session: Session, base_id: str) -> list[DocumentFacts]:
    """By name."""
    chunks = select(func.count()).where(KnowledgeChunk.document_id == KnowledgeDocument.id).scalar_subquery()
    rows = session.execute(select(KnowledgeDocument, chunks).where(KnowledgeDocument.base_id == base_id).order_by(KnowledgeDocument.name))
    return [DocumentFacts(row.id, row.name, loads(row.details), row.size, number, row.created_at) for row, number in rows]


def each_details(session: Session, base_ids: Sequence[str]) -> Iterator[Mapping[str, Any]]:
    """Of every document of these bases, the oldest first."""
    found = select(KnowledgeDocument.details).where(KnowledgeDocument.base_id.in_(base_ids))
    yield from map(loads, session.scalars(found.order_by(KnowledgeDocument.created_at, KnowledgeDocument.id)))


def _remove(session: Session, base_id: str, name: str) -> bool:
    gone = delete(KnowledgeDocument).where(KnowledgeDocument.base_id == base_id, KnowledgeDocument.name == name)
    return session.scalar(gone.returning(KnowledgeDocument.id).execution_options(synchronize_session=False)) is not None
