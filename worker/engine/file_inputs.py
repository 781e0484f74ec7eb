"""File objects of a run request -> files (api-contract.md section 3.3)."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from worker.engine.errors import FormError
from worker.engine.file_types import FileRules, typed
from worker.engine.values import File

#: Finds the file that a checked mapping refers to, by ``upload_file_id``, ``tool_file_id`` or ``url``; its type does not matter.
#: Raises ``FormError`` (``Invalid upload file``, ``ToolFile <id> not found``, ``Reached maximum retries (3) for URL <url>``).
ResolveFile = Callable[[Mapping[str, Any]], File]

METHODS = ("local_file", "remote_url", "tool_file")


def read_file(mapping: Mapping[str, Any], resolve_file: ResolveFile, rules: FileRules | None, *, strict: bool) -> File:
    """One file; without rules any file is allowed. Raises ``FormError``."""
    file = typed(resolve_file(checked(mapping)), mapping.get("type"), strict=strict)
    if rules is not None:
        rules.check(file, mapping.get("type"))
    return file


def read_files(items: Iterable[Any], resolve_file: ResolveFile, rules: FileRules | None, *, strict: bool) -> list[File]:
    """The files of a list; items that refer to nothing are left out without a word."""
    return [read_file(item, resolve_file, rules, strict=strict) for item in items if isinstance(item, Mapping) and _refers(item)]


def address_of(mapping: Mapping[str, Any]) -> Any:
    """The address of a remote file: ``url``, else its alias ``remote_url``."""
    return mapping.get("url") or mapping.get("remote_url")


def _refers(mapping: Mapping[str, Any]) -> bool:
    method = mapping.get("transfer_method")
    return bool(method) and (method != "remote_url" or bool(address_of(mapping) or mapping.get("upload_file_id")))


def checked(mapping: Mapping[str, Any]) -> Mapping[str, Any]:
    """The mapping, if its reference has the right form. Raises ``FormError``."""
    method = mapping.get("transfer_method")
    if not method:
        raise FormError("transfer_method is required in file mapping")
    if method not in METHODS:
        raise FormError(f"No matching enum found for value '{method}'")
    if method == "tool_file":
        _check_tool_file(mapping.get("tool_file_id"))
    elif method == "local_file" or mapping.get("upload_file_id"):
        _check_upload_id(mapping.get("upload_file_id"))
    elif not isinstance(url := address_of(mapping), str) or not url.startswith("http"):
        raise FormError("Invalid file url")
    return mapping


def _check_upload_id(upload_id: Any) -> None:
    if not upload_id:
        raise FormError("Invalid upload file id")
    if not is_uuid(upload_id):
        raise FormError("Invalid upload file id format")


def _check_tool_file(file_id: Any) -> None:
    if not is_uuid(file_id):
        raise FormError(f"ToolFile {file_id} not found")


def is_uuid(value: Any) -> bool:
    try:
        uuid.UUID(value)
    except (ValueError, TypeError, AttributeError):
        return False
    return True
