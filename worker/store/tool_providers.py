"""Tool providers that operators register: APIs, MCP servers, and apps that stand for a tool."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from worker.store.clock import now_s
from worker.store.encoding import dumps, loads
from worker.store.errors import NotFound
from worker.store.models import ToolProvider
from worker.store.upsert import insert_or

#: Kinds of providers.
API, MCP, WORKFLOW = "api", "mcp", "workflow"

#: Stands in the place of an app's id where headers are sealed (store/sealing.py).
SEALED_FOR = "tool providers"


@dataclass(frozen=True, slots=True)
class StoredProvider:
    name: str
    kind: str
    #: api: ``{"document": OpenAPI, "server": URL}``; mcp: ``{"url", "tools"}``; workflow: ``{"app_id"}``.
    definition: Mapping[str, Any]
    #: HTTP headers as JSON, sealed; None without any.
    headers: bytes | None
    #: Epoch seconds.
    updated_at: float = 0.0


def save_provider(session: Session, provider: StoredProvider) -> None:
    """Keep a provider, in place of an earlier one of its name."""
    row = {
        "kind": provider.kind,
        "definition": dumps(provider.definition),
        "headers": provider.headers,
        "updated_at": now_s(),
    }
    insert = insert_or(session, ToolProvider).values(name=provider.name, **row)
    session.execute(insert.on_conflict_do_update(index_elements=["name"], set_=row))


def remove_provider(session: Session, name: str) -> None:
    """Raises ``NotFound``."""
    gone = delete(ToolProvider).where(ToolProvider.name == name).returning(ToolProvider.name)
    if session.scalar(gone.execution_options(synchronize_session=False)) is None:
        raise NotFound(f"There is no tool provider {name!r}.")


def find_providers(session: Session, names: Collection[str]) -> dict[str, StoredProvider]:
    """Those of the names that are registered."""
    rows = session.scalars(select(ToolProvider).where(ToolProvider.name.in_(names)))
    return {row.name: provider_of(row) for row in rows}


def list_providers(session: Session) -> list[StoredProvider]:
    """All of them, by name."""
    return [provider_of(row) for row in session.scalars(select(ToolProvider).order_by(ToolProvider.name))]


def provider_of(row: ToolProvider) -> StoredProvider:
    """What a row of the table says."""
    return StoredProvider(row.name, row.kind, loads(row.definition), row.headers, row.updated_at)
