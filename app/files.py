"""Files of apps as the API handles them: uploads, references in run inputs, addresses, bytes."""

from __future__ import annotations

from functools import cached_property
from typing import BinaryIO

from flask import request

from worker.config import Config
from worker.engine.file_inputs import ResolveFile
from worker.engine.ports import HTTPClient
from worker.engine.values import FileURL
from worker.files import InputFiles
from worker.store.blobs import open_blobs
from worker.store.deployment import signing_secret
from worker.store.files import add_upload, find_any_file, keep
from worker.store.models import StoredFile
from worker.store.session import Database
from worker.store.signing import FileLinks


class FileDesk:
    """One per process. ``http`` asks for the size and type of remote files, through the outbound guard."""

    def __init__(self, config: Config, database: Database, http: HTTPClient) -> None:
        self._config = config
        self._database = database
        self._http = http
        self._blobs = open_blobs(config, database)

    def references(self, app_id: str, end_user_id: str) -> ResolveFile:
        """Finds what the file objects of a run request refer to."""
        return InputFiles(app_id, end_user_id, self._database, self._http)

    def upload(self, app_id: str, end_user_id: str, name: str, mime_type: str, size: int, content: BinaryIO) -> StoredFile:
        """Raises ``StorageUnavailable``; nothing is kept then."""
        return keep(self._database, self._blobs, lambda session: add_upload(session, app_id, end_user_id, name, mime_type, size), content)

    def find(self, file_id: str) -> StoredFile | None:
        """A file of whichever app: the caller checks whose it is."""
        with self._database.read() as session:
            return find_any_file(session, file_id)

    def open(self, file: StoredFile) -> BinaryIO:
        """Its bytes. Raises ``FileNotFoundError``, ``StorageUnavailable``."""
        return self._blobs.open(file.id)

    def addresses(self, app_id: str) -> FileURL:
        """Makes addresses for what an app shows: absolute if the deployment's address is set."""
        return self.links(self._config.files_url).of_app(app_id)

    def addresses_here(self, app_id: str) -> FileURL:
        """The same for an answer to the current request, whose client knows an address of this deployment."""
        return self.links(self._config.files_url or request.host_url).of_app(app_id)

    def links(self, base_url: str = "") -> FileLinks:
        return FileLinks(self._secret, base_url, self._config.files_access_timeout_s)

    @cached_property
    def _secret(self) -> str:
        return self._config.secret_key or self._database.transact(signing_secret)
