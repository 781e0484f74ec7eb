"""Documents as ``workflows.document`` holds them: as an export without secrets would be, the secrets sealed beside the rest.

The key ``sealed`` of the document has a list of ``{"path": [...], "value": "<Base64>"}``; what stands at the paths is empty. So a form or
a list of variables is read without any key, and ``open_document`` puts the texts back for a run.
"""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from worker.config import Config
from worker.engine.document_secrets import Path, find_secrets, with_texts
from worker.engine.dsl import content_hash
from worker.store.encoding import dumps, loads
from worker.store.errors import SealError
from worker.store.models import Workflow
from worker.store.sealing import Sealing
from worker.store.session import Database, translated_failures

SEALED = "sealed"

#: Gives the deployment's key when there is something to seal. Raises ``SealError``.
ProvideSealing = Callable[[], Sealing]


@dataclass(frozen=True, slots=True)
class StoredDocument:
    """A document without its secrets, and what tells it from others."""

    document: Mapping[str, Any]
    #: Of a document with secrets a digest under the key: who has the database must not be able to try passwords on a plain one.
    content_hash: str


def seal_document(app_id: str, document: Mapping[str, Any], provide: ProvideSealing) -> StoredDocument:
    """A checked document as it is stored for this app. Raises ``SealError`` if it holds secrets and there is no key."""
    # Only what was sealed here may stand there.
    document = {key: value for key, value in document.items() if key != SEALED}
    digest, secrets = content_hash(document), find_secrets(document)
    if not secrets:
        return StoredDocument(document, digest)
    sealing = _provided(provide, secrets)
    sealed = [{"path": list(path), "value": _sealed(sealing, app_id, path, text)} for path, text in secrets.items()]
    return StoredDocument({**with_texts(document, dict.fromkeys(secrets, "")), SEALED: sealed}, sealing.digest(digest))


def open_document(app_id: str, document: Mapping[str, Any], config: Config) -> dict[str, Any]:
    """The document that was imported. Raises ``SealError``."""
    opened = dict(document)
    sealed = opened.pop(SEALED, None)
    if not sealed:
        return opened
    try:
        sealing = Sealing.find(config)
        texts = {tuple(item["path"]): _opened(sealing, app_id, tuple(item["path"]), item["value"]) for item in sealed}
        return with_texts(opened, texts)
    except SealError:
        reason = "PENSTOCK_SECRET_KEY is missing or another one than when the document was published"
        raise SealError(f"The secrets that the document holds cannot be opened: {reason}.") from None
    except (LookupError, TypeError, AttributeError, ValueError):
        raise SealError("The secrets that the document holds cannot be opened: the stored document is damaged.") from None


def sealed_paths(document: Mapping[str, Any]) -> set[Path]:
    """Places of a stored document whose texts are sealed."""
    return {tuple(item["path"]) for item in document.get(SEALED) or ()}


def seal_versions(session: Session, provide: ProvideSealing) -> int:
    """Seal the secrets of all versions that hold any in plain text; how many did. Raises ``SealError``."""
    return sum(_seal_version(session.get_one(Workflow, version_id), provide) for version_id in session.scalars(select(Workflow.id)).all())


def forget_plain_texts(database: Database) -> None:
    """Rewrite the pages in which sealed versions may still stand as they were. Raises ``StorageUnavailable``, also if others hold them."""
    with translated_failures():
        if database.dialect == "sqlite":
            # Past SQLAlchemy, which would begin a transaction: inside one, nothing is rewritten.
            with closing(database.engine.raw_connection()) as connection:
                for statement in ("VACUUM", "PRAGMA wal_checkpoint(TRUNCATE)"):
                    connection.cursor().execute(statement)
        else:
            with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
                connection.execute(text("VACUUM FULL workflows"))


def _seal_version(version: Workflow, provide: ProvideSealing) -> bool:
    document = loads(version.document)
    if SEALED in document or not find_secrets(document):
        return False
    stored = seal_document(version.app_id, document, provide)
    version.document, version.content_hash = dumps(stored.document), stored.content_hash
    return True


def _provided(provide: ProvideSealing, secrets: Mapping[Path, str]) -> Sealing:
    try:
        return provide()
    except SealError as error:
        place = ".".join(map(str, next(iter(secrets))))
        raise SealError(f"The document holds secrets, such as {place}, which are sealed in the database. {error}") from error


def _sealed(sealing: Sealing, app_id: str, path: Path, text: str) -> str:
    return b64encode(sealing.seal(app_id, _name(path), text)).decode("ascii")


def _opened(sealing: Sealing, app_id: str, path: Path, sealed: str) -> str:
    return sealing.open(app_id, _name(path), b64decode(sealed))


def _name(path: Path) -> str:
    # No environment variable has such a name, so that a sealed text opens at its own place only.
    return f"document\0{json.dumps(path)}"
