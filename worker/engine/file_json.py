"""Files inside JSON: the mapping of api-contract.md section 3.4 and the way back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from worker.engine.masking import mask
from worker.engine.values import ATOMS, FILE_IDENTITY, File, FileURL, Secret, file_address


def to_json(value: Any, file_url: FileURL) -> Any:
    """A value as plain JSON types: files as mappings with a fresh ``url``, typed secrets masked (nodes.md section 2.3)."""
    if type(value) in ATOMS:
        return value
    if isinstance(value, File):
        return file_to_json(value, file_url)
    if isinstance(value, Secret):
        return mask(value)
    if isinstance(value, Mapping):
        return {key: to_json(item, file_url) for key, item in value.items()}
    return [to_json(item, file_url) for item in value] if isinstance(value, list | tuple) else value


def file_to_json(file: File, file_url: FileURL) -> dict[str, Any]:
    url = file_address(file, file_url)
    return {
        "dify_model_identity": FILE_IDENTITY,
        "id": None,
        "tenant_id": file.tenant_id,
        "type": file.type,
        "transfer_method": file.transfer_method,
        # An uploaded file shows its signed address twice (api-contract.md section 3.4).
        "remote_url": url if file.transfer_method == "local_file" else file.remote_url,
        "related_id": file.related_id,
        "filename": file.filename,
        "extension": file.extension,
        "mime_type": file.mime_type,
        "size": file.size,
        "url": url,
    }


def is_file_json(value: Any) -> bool:
    return isinstance(value, Mapping) and value.get("dify_model_identity") == FILE_IDENTITY


def file_from_json(mapping: Mapping[str, Any]) -> File:
    """The file of a mapping that ``to_json`` made; addresses of stored files are dropped, since they expire."""
    method = str(mapping.get("transfer_method") or "")
    return File(
        type=str(mapping.get("type") or "custom"),
        transfer_method=method,
        filename=str(mapping.get("filename") or ""),
        extension=str(mapping.get("extension") or ""),
        mime_type=str(mapping.get("mime_type") or ""),
        size=mapping["size"] if isinstance(mapping.get("size"), int) else -1,
        remote_url=mapping.get("remote_url") if method == "remote_url" else None,
        related_id=mapping.get("related_id"),
        tenant_id=str(mapping.get("tenant_id") or ""),
    )


def restore_files(json_value: Any) -> Any:
    """The value that ``to_json`` was given (secrets stay masked): every file mapping becomes a ``File``."""
    if is_file_json(json_value):
        return file_from_json(json_value)
    if isinstance(json_value, dict):
        return {key: restore_files(item) for key, item in json_value.items()}
    return [restore_files(item) for item in json_value] if isinstance(json_value, list) else json_value


def sign_files(json_value: Any, file_url: FileURL) -> Any:
    """The same JSON with fresh addresses in every file mapping: for values that were stored without."""
    return to_json(restore_files(json_value), file_url)


def files_in(outputs: Mapping[str, Any]) -> list[File]:
    """Files at the top level of outputs (values and lists of them), in order, duplicates kept (nodes.md section 4.7)."""
    lists = [value if isinstance(value, list) else [value] for value in outputs.values()]
    return [item for items in lists for item in items if isinstance(item, File)]
