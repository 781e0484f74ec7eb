"""Whether a file that a request brings may be kept (api-contract.md section 2.6)."""

from __future__ import annotations

import os

from werkzeug.datastructures import FileStorage

from app.config import MEGABYTE, ApiConfig
from app.errors import APIError, invalid_param
from worker.engine.file_types import detect_type
from worker.store.files import upload_name


def check_name(file: FileStorage, api: ApiConfig) -> None:
    """Raises ``APIError`` for a name that no file may have here."""
    if not file.filename:
        raise APIError("filename_not_exists_error")
    if "/" in file.filename or "\\" in file.filename:
        raise invalid_param("Filename contains invalid characters", "file")
    extension = upload_name(file.filename)[1]
    if extension in {ending.removeprefix(".").lower() for ending in api.upload_extension_blacklist}:
        raise invalid_param(f"Files with the extension '{extension}' may not be uploaded.", "file")


def file_size(file: FileStorage, api: ApiConfig) -> int:
    """Bytes of the file. Raises ``APIError`` ``file_too_large`` above the limit of its category."""
    size = file.stream.seek(0, os.SEEK_END)
    file.stream.seek(0)
    if size > api.upload_limit_mb(detect_type(upload_name(str(file.filename))[1], "")) * MEGABYTE:
        raise APIError("file_too_large")
    return size
