"""Rows of files: uploads, and what runs produced (api-contract.md sections 2.6, 2.7 and 3.3)."""

from __future__ import annotations

import os.path
import uuid
from collections.abc import Callable
from typing import Any

from sqlalchemy import delete, or_, select
from sqlalchemy.orm import Session

from worker.engine.file_types import detect_type
from worker.engine.variables import File
from worker.store.blobs import Blobs, Content
from worker.store.clock import now_s
from worker.store.encoding import clean_text
from worker.store.identifiers import canonical_id
from worker.store.models import EndUser, StoredFile
from worker.store.session import Database

UPLOAD = "upload"
TOOL = "tool"

#: Characters of a file name that are kept, besides its extension.
NAME_LENGTH = 200


def keep(database: Database, blobs: Blobs, add: Callable[[Session], StoredFile], content: Content) -> StoredFile:
    """A file with its bytes. ``add`` makes the row; it comes first, since the bytes may lie in a table that refers to it.

    Whoever sees the id sees the bytes: it is told to nobody before. Raises ``StorageUnavailable``; then nothing is kept.
    """
    with database.begin() as session:
        row = add(session)
    try:
        blobs.put(row.id, content)
    except BaseException:
        with database.begin() as session:
            session.execute(delete(StoredFile).where(StoredFile.id == row.id))
        raise
    return row


def add_upload(session: Session, app_id: str, end_user_id: str, filename: str, mime_type: str, size: int) -> StoredFile:
    """The row of an upload; ``filename`` as the client sent it."""
    name, extension = upload_name(filename)
    return _add(session, app_id, UPLOAD, end_user_id=end_user_id, name=name, extension=extension, mime_type=mime_type, size=size)


def add_tool_file(session: Session, app_id: str, extension: str, mime_type: str, size: int) -> StoredFile:
    """The row of a file that a run produced; ``extension`` with or without dot. Its name is 32 hex digits and the extension."""
    ending = extension.removeprefix(".").lower()
    name = f"{uuid.uuid4().hex}.{ending}".removesuffix(".")
    return _add(session, app_id, TOOL, end_user_id=None, name=name, extension=ending, mime_type=mime_type, size=size)


def _add(session: Session, app_id: str, kind: str, **facts: Any) -> StoredFile:
    cleaned = {name: clean_text(fact) if isinstance(fact, str) else fact for name, fact in facts.items()}
    row = StoredFile(id=str(uuid.uuid4()), app_id=app_id, kind=kind, created_at=now_s(), **cleaned)
    session.add(row)
    session.flush()
    session.refresh(row)
    return row


def upload_name(filename: str) -> tuple[str, str]:
    """Name and extension (lower case, without dot) as they are kept. A long name loses what is between its start and its extension."""
    ending = os.path.splitext(filename)[1]
    extension = ending.removeprefix(".").lower()
    if len(filename) <= NAME_LENGTH:
        return filename, extension
    return filename.partition(".")[0][:NAME_LENGTH] + ending, extension


def find_file(session: Session, app_id: str, file_id: str) -> StoredFile | None:
    """A file of this app, whoever uploaded or produced it; None for any other text."""
    row = find_any_file(session, file_id)
    return row if row is not None and row.app_id == app_id else None


def find_any_file(session: Session, file_id: str) -> StoredFile | None:
    """A file of whichever app: for who holds a signed address, and for telling a foreign file from none."""
    wanted = canonical_id(file_id)
    return None if wanted is None else session.get(StoredFile, wanted)


def find_upload(session: Session, app_id: str, end_user_id: str, file_id: str) -> StoredFile | None:
    """An upload that this end user may use in a run: the own ones, and those that were uploaded without a user (section 9, Q12)."""
    own_or_anonymous = or_(StoredFile.end_user_id == end_user_id, EndUser.is_anonymous)
    return session.scalar(
        select(StoredFile)
        .join(EndUser, EndUser.id == StoredFile.end_user_id)
        .where(StoredFile.id == canonical_id(file_id), StoredFile.app_id == app_id, StoredFile.kind == UPLOAD, own_or_anonymous)
    )


def find_tool_file(session: Session, app_id: str, file_id: str) -> StoredFile | None:
    row = find_file(session, app_id, file_id)
    return row if row is not None and row.kind == TOOL else None


def to_file(row: StoredFile) -> File:
    """A row as a value of a run, of the detected type."""
    extension = f".{row.extension}" if row.extension else ""
    return File(
        type=detect_type(extension, row.mime_type),
        transfer_method="local_file" if row.kind == UPLOAD else "tool_file",
        filename=row.name,
        extension=extension,
        mime_type=row.mime_type,
        size=row.size,
        related_id=row.id,
        tenant_id=row.app_id,
    )
