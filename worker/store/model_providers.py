"""Model providers that operators configure with ``penstock providers``; their keys lie here sealed (store/sealing.py)."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from worker.store.clock import now_s
from worker.store.errors import NotFound
from worker.store.models import ModelProvider
from worker.store.upsert import insert_or

#: Stands in the place of an app's id where keys are sealed.
SEALED_FOR = "model providers"


@dataclass(frozen=True, slots=True)
class StoredModelProvider:
    #: Canonical, as ``worker/llm/catalog.py`` makes it.
    name: str
    #: Type of its client and its base URL; empty: as the catalog says.
    type: str
    base_url: str
    #: Sealed; None without any.
    api_key: bytes | None
    api_version: str
    #: Epoch seconds.
    updated_at: float = 0.0


def save_provider(session: Session, provider: StoredModelProvider) -> None:
    """Keep a provider, in place of an earlier one of its name."""
    row = {
        "type": provider.type,
        "base_url": provider.base_url,
        "api_key": provider.api_key,
        "api_version": provider.api_version,
        "updated_at": now_s(),
    }
    insert = insert_or(session, ModelProvider).values(name=provider.name, **row)
    session.execute(insert.on_conflict_do_update(index_elements=["name"], set_=row))


def remove_provider(session: Session, name: str) -> None:
    """Raises ``NotFound``."""
    gone = delete(ModelProvider).where(ModelProvider.name == name).returning(ModelProvider.name)
    if session.scalar(gone.execution_options(synchronize_session=False)) is None:
        raise NotFound(f"There is no model provider {name!r}.")


def list_providers(session: Session) -> list[StoredModelProvider]:
    """All of them, by name."""
    return [_provider(row) for row in session.scalars(select(ModelProvider).order_by(ModelProvider.name))]


def find_provider(session: Session, name: str) -> StoredModelProvider:
    """By its canonical name. Raises ``NotFound``."""
    row = session.get(ModelProvider, name)
    if row is None:
        raise NotFound(f"There is no model provider {name!r}.")
    return _provider(row)


def _provider(row: ModelProvider) -> StoredModelProvider:
    return StoredModelProvider(row.name, row.type, row.base_url, row.api_key, row.api_version, row.updated_at)
