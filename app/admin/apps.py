"""Apps and their versions as operators handle them: for the admin API and the command line."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from sqlalchemy.orm import Session

from app.documents import parse_document
from app.publish import Check, Imported, Published, ToolCheck, check_document, publish_runnable, require_runnable, store_runnable
from worker.config import Config
from worker.engine.document_secrets import find_secrets, with_texts
from worker.engine.node import NodeRegistry
from worker.operating.documents import node_types, tools_of
from worker.schedules.following import follow_version
from worker.store import apps as stored_apps
from worker.store.blobs import open_blobs
from worker.store.encoding import loads
from worker.store.errors import NotFound
from worker.store.models import App, Workflow
from worker.store.releases import choose_version, version_before
from worker.store.sealed_documents import SEALED, sealed_paths
from worker.store.sealing import Sealing
from worker.store.session import Database


@dataclass(frozen=True, slots=True)
class Publishing:
    """What documents are published with."""

    database: Database
    config: Config
    registry: NodeRegistry
    #: Missing tools are warnings instead of errors.
    allow_missing_tools: bool = False

    @classmethod
    def of(cls, database: Database, config: Config, *, allow_missing_tools: bool = False) -> Publishing:
        return cls(database, config, node_types(), allow_missing_tools)

    @property
    def tools(self) -> ToolCheck:
        return ToolCheck(tools_of(self.database, self.config), is_strict=not self.allow_missing_tools)

    def check(self, document: Mapping[str, Any]) -> Check:
        """Everything that is wrong, or odd, with a document; nothing is stored."""
        return check_document(document, self.registry, self.tools)

    def import_app(self, document: Mapping[str, Any], name: str | None = None) -> Imported:
        """A new app with the document as its version, and a key for it.

        Checked before the transaction, which so lasts no longer than the writing. Raises ``GraphError`` with every error, ``SealError``,
        ``StorageUnavailable``.
        """
        runnable = require_runnable(document, self.registry, self.tools)
        with self.database.begin() as session:
            return store_runnable(session, runnable, sealing=partial(Sealing.provide, self.config), name=name)

    def publish(self, app: str, document: Mapping[str, Any]) -> Published:
        """The document as the current version of an app, by its id or name. Raises ``NotFound``, and what ``import_app`` raises."""
        with self.database.read() as session:
            app_id = stored_apps.find_app(session, app).id
        runnable = require_runnable(document, self.registry, self.tools)
        with self.database.begin() as session:
            return publish_runnable(session, app_id, runnable, sealing=partial(Sealing.provide, self.config))


def parsed(source: bytes) -> dict[str, Any]:
    """The document of a YAML (or JSON) text. Raises ``DocumentError``."""
    return parse_document(source)


def roll_back(session: Session, app: str, version: str | None) -> tuple[App, Workflow]:
    """Make an earlier version current: by id, ``version`` text or alias; None: the one before the current one. Raises ``NotFound``."""
    found = stored_apps.find_app(session, app)
    chosen = version_before(session, found) if version is None else choose_version(session, found, version)
    if chosen is None:
        raise NotFound(f"{found.name} has no version before the current one.")
    version_now = stored_apps.rollback(session, found.id, chosen.id)
    follow_version(session, found.id, loads(version_now.document))
    return found, version_now


def remove_app(database: Database, config: Config, app_id: str) -> None:
    """An app with its keys, versions, runs and files. Raises ``NotFound``."""
    with database.begin() as session:
        files = stored_apps.delete_app(session, app_id)
    blobs = open_blobs(config, database)
    for file_id in files:
        blobs.delete(file_id)


@dataclass(frozen=True, slots=True)
class ShownDocument:
    """A stored document as it may be shown, and imported again: texts that are secret are empty, as exports leave them."""

    document: dict[str, Any]
    #: Places of the texts that were left out, dotted: ``workflow.environment_variables.0.value``.
    masked: list[str]


def shown_document(version: Workflow) -> ShownDocument:
    """Without secrets, also those that an earlier release stored in plain text."""
    stored = loads(version.document)
    sealed = sealed_paths(stored)
    document = {key: value for key, value in stored.items() if key != SEALED}
    plain = find_secrets(document)
    masked = [".".join(map(str, path)) for path in sorted(sealed | plain.keys(), key=str)]
    return ShownDocument(with_texts(document, dict.fromkeys(plain, "")), masked)
