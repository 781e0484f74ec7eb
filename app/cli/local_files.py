"""Files of `penstock run`: those of this machine and of the web, without a store."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from worker.engine.errors import FormError, NodeError
from worker.engine.file_types import CUSTOM, detect_type
from worker.engine.media_types import mime_of_name, name_in_url
from worker.engine.ports import Cancellation, HTTPClient, OutboundRequest
from worker.engine.variables import File


class LocalFiles:
    """``ports.Files`` of one run; what its nodes save stays in memory."""

    def __init__(self, http: HTTPClient, cancellation: Cancellation) -> None:
        self._http = http
        #: Of the attempt that is under way.
        self.cancellation = cancellation
        self._paths: dict[str, Path] = {}
        self._saved: dict[str, bytes] = {}

    def offer(self, reference: str) -> dict[str, Any]:
        """What a request says about a file: ``@path``, or the address of one. Raises ``FormError``."""
        if not reference.startswith("@"):
            return remote_mapping(reference)
        path = path_named(reference)
        file_id = str(uuid.uuid4())
        self._paths[file_id] = path
        return {"transfer_method": "local_file", "upload_file_id": file_id, "type": detect_type(path.suffix, mime_of_name(path.name))}

    def resolve(self, mapping: Mapping[str, Any]) -> File:
        """The file of a mapping. Raises ``FormError``."""
        if mapping.get("transfer_method") == "remote_url":
            url = str(mapping.get("url") or mapping.get("remote_url"))
            return _file("remote_url", name_in_url(url), -1, remote_url=url)
        file_id = str(mapping.get("upload_file_id"))
        if file_id not in self._paths:
            raise FormError("Invalid upload file")
        path = self._paths[file_id]
        return _file("local_file", path.name, path.stat().st_size, related_id=file_id)

    def read(self, file: File) -> bytes:
        if file.related_id in self._saved:
            return self._saved[file.related_id]
        if file.related_id is not None:
            return self._read_path(file.related_id)
        answer = self._http.send(OutboundRequest("GET", file.remote_url or ""), self.cancellation)
        if answer.status >= 400:
            raise NodeError(f"{file.remote_url} answered {answer.status}.")
        return answer.body

    def _read_path(self, file_id: str) -> bytes:
        try:
            return self._paths[file_id].read_bytes()
        except (KeyError, OSError) as error:
            raise NodeError(f"The file {file_id} cannot be read: {error}") from error

    def save(self, content: bytes, *, extension: str, mime_type: str) -> File:
        file_id = str(uuid.uuid4())
        self._saved[file_id] = content
        return _file("tool_file", f"{uuid.UUID(file_id).hex}{extension}", len(content), related_id=file_id, mime_type=mime_type)

    def url(self, file: File) -> str:
        if file.related_id in self._paths:
            return self._paths[file.related_id].resolve().as_uri()
        return file.remote_url or ""


def path_named(reference: str) -> Path:
    """The file that ``@path`` names. Raises ``FormError``."""
    path = Path(reference[1:])
    if not path.is_file():
        raise FormError(f"There is no file {path}.")
    return path


def remote_mapping(url: str) -> dict[str, Any]:
    """What a request says about a file of the web."""
    return {"transfer_method": "remote_url", "url": url, "type": detect_type(Path(name_in_url(url)).suffix, "")}


def _file(method: str, name: str, size: int, *, mime_type: str = "", **reference: str) -> File:
    extension, mime_type = Path(name).suffix, mime_type or mime_of_name(name)
    kind = detect_type(extension, mime_type) or CUSTOM
    return File(kind, method, name, extension, mime_type, size, reference.get("remote_url"), reference.get("related_id"))
