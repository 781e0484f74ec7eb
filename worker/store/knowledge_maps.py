"""What the dataset ids of documents stand for: exports carry ids of the deployment they come from, which mean nothing here."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import ColumnElement, delete, select
from sqlalchemy.orm import Session

from worker.store.clock import now_s
from worker.store.errors import NotFound
from worker.store.models import KnowledgeBase, KnowledgeMap
from worker.store.upsert import insert_or

#: Stands in the place of an app's id where keys are sealed (store/sealing.py).
SEALED_FOR = "knowledge maps"


@dataclass(frozen=True, slots=True)
class LocalTarget:
    base_id: str
    name: str
    #: ``(provider, model)``.
    embedding: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True)
class ExternalTarget:
    endpoint: str
    knowledge_id: str
    #: Sealed; None: the service asks for none.
    api_key: bytes | None = None


Target = LocalTarget | ExternalTarget


def map_local(session: Session, dataset_id: str, base_id: str) -> None:
    """In place of an earlier target."""
    _save(session, dataset_id, base_id=base_id, endpoint=None, knowledge_id=None, api_key=None)


def map_external(session: Session, dataset_id: str, target: ExternalTarget) -> None:
    """In place of an earlier target."""
    _save(session, dataset_id, base_id=None, endpoint=target.endpoint, knowledge_id=target.knowledge_id, api_key=target.api_key)


def remove_map(session: Session, dataset_id: str) -> None:
    """Raises ``NotFound``."""
    gone = delete(KnowledgeMap).where(KnowledgeMap.dataset_id == dataset_id).returning(KnowledgeMap.dataset_id)
    if session.scalar(gone.execution_options(synchronize_session=False)) is None:
        raise NotFound(f"Nothing is mapped to the dataset {dataset_id!r}.")


def find_targets(session: Session, dataset_ids: Collection[str]) -> dict[str, Target]:
    """Those of the ids that are mapped."""
    return _targets(session, KnowledgeMap.dataset_id.in_(dataset_ids))


def list_targets(session: Session) -> dict[str, Target]:
    """All of them, by dataset id."""
    return _targets(session)


def _save(session: Session, dataset_id: str, **target: str | bytes | None) -> None:
    row = {**target, "updated_at": now_s()}
    insert = insert_or(session, KnowledgeMap).values(dataset_id=dataset_id, **row)
    session.execute(insert.on_conflict_do_update(index_elements=["dataset_id"], set_=row))


def _targets(session: Session, *conditions: ColumnElement[bool]) -> dict[str, Target]:
    statement = select(KnowledgeMap, KnowledgeBase).outerjoin(KnowledgeBase, KnowledgeBase.id == KnowledgeMap.base_id)
    rows = session.execute(statement.where(*conditions).order_by(KnowledgeMap.dataset_id))
    return {mapped.dataset_id: _target(mapped, base) for mapped, base in rows}


def _target(mapped: KnowledgeMap, base: KnowledgeBase | None) -> Target:
    if base is None:
        return ExternalTarget(mapped.endpoint or "", mapped.knowledge_id or "", mapped.api_key)
    embedding = (base.embedding_provider or "", base.embedding_model) if base.embedding_model else None
    return LocalTarget(base.id, base.name, embedding)
