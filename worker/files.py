"""Files of a run: those that its request refers to, and those that its nodes read and make. Joins the file store and the way out."""

from __future__ import annotations

import posixpath
import uuid
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from sqlalchemy.orm import Session

from worker.engine.errors import FormError, NodeError
from worker.engine.file_inputs import address_of
from worker.engine.file_types import detect_type
from worker.engine.inbox import Inbox
from worker.engine.media_types import extension_of_mime
from worker.engine.ports import Cancellation, HTTPClient, OutboundRequest
from worker.engine.variables import File
from worker.outbound.remote_files import look_at
from worker.store import files
from worker.store.blobs import Blobs
from worker.store.models import StoredFile
from worker.store.session import Database
from worker.store.signing import FileLinks

#: Bytes of a remote file that a node may read: as much as the largest upload.
MAX_REMOTE_BYTES = 100 * 1024 * 1024

#: Error type of a file that cannot be had.
FETCH_ERROR = "FileFetchError"


class RunFiles:
    """``ports.Files`` for one app: it reads and signs no file of another one, whatever a file mapping in its values says."""

    def __init__(
        self,
        app_id: str,
        database: Database,
        blobs: Blobs,
        links: FileLinks,
        http: HTTPClient,
        cancellation: Cancellation | None = None,
    ) -> None:
        self._app_id = app_id
        self._database = database
        self._blobs = blobs
        self._links = links
        self._http = http
        # An inbox of its own that nobody writes to: what it guards cannot be stopped.
        self._cancellation = cancellation or Inbox()

    def read(self, file: File) -> bytes:
        return self._read_stored(file, file.related_id) if file.related_id is not None else self._fetch(file)

    def save(self, content: bytes, *, extension: str, mime_type: str) -> File:
        def add(session: Session) -> StoredFile:
            return files.add_tool_file(session, self._app_id, extension, mime_type, len(content))

        return files.to_file(files.keep(self._database, self._blobs, add, content))

    def url(self, file: File) -> str:
        return self._links.url(file, self._app_id)

    def _read_stored(self, file: File, file_id: str) -> bytes:
        row = self._database.fetch(lambda session: files.find_file(session, self._app_id, file_id))
        if row is None:
            raise NodeError(f"The file {file.filename} does not exist.", error_type=FETCH_ERROR)
        try:
            return self._blobs.read(row.id)
        except FileNotFoundError:
            raise NodeError(f"The content of the file {file.filename} is gone.", error_type=FETCH_ERROR) from None

    def _fetch(self, file: File) -> bytes:
        request = OutboundRequest("GET", file.remote_url or "", max_bytes=MAX_REMOTE_BYTES)
        response = self._http.send(request, self._cancellation)
        if not 200 <= response.status < 300:
            raise NodeError(f"{file.remote_url} answered with status {response.status}.", error_type=FETCH_ERROR)
        return response.body


class InputFiles:
    """Finds the files that one end user's run request refers to: a ``ResolveFile`` (api-contract.md section 3.3)."""

    def __init__(self, app_id: str, end_user_id: str, database: Database, http: HTTPClient) -> None:
        self._app_id = app_id
        self._end_user_id = end_user_id
        self._database = database
        self._http = http

    def __call__(self, mapping: Mapping[str, Any]) -> File:
        """The file of a mapping that ``file_inputs.checked`` has passed. Raises ``FormError``."""
        method = mapping["transfer_method"]
        if method == "tool_file":
            return self._tool_file(mapping["tool_file_id"])
        if method == "local_file" or mapping.get("upload_file_id"):
            # An upload can also stand in for the remote file that it is a copy of.
            return replace(self._upload(mapping["upload_file_id"]), transfer_method=method)
        return self._remote_file(address_of(mapping))

    def _upload(self, file_id: str) -> File:
        with self._database.read() as session:
            row = files.find_upload(session, self._app_id, self._end_user_id, str(uuid.UUID(file_id)))
        if row is None:
            raise FormError("Invalid upload file")
        return files.to_file(row)

    def _tool_file(self, file_id: str) -> File:
        with self._database.read() as session:
            row = files.find_tool_file(session, self._app_id, str(uuid.UUID(file_id)))
        if row is None:
            raise FormError(f"ToolFile {file_id} not found")
        return files.to_file(row)

    def _remote_file(self, url: str) -> File:
        found = look_at(url, self._http, Inbox())
        extension = extension_of_mime(found.mime_type) or posixpath.splitext(found.name)[1] or ".bin"
        kind = detect_type(extension, found.mime_type)
        return File(kind, "remote_url", found.name, extension, found.mime_type, found.size, remote_url=url, tenant_id=self._app_id)
