"""Kinds of files, and which of them a workflow accepts (nodes.md section 5.2, api-contract.md section 3.3)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from worker.engine.errors import FormError
from worker.engine.values import File

CUSTOM = "custom"
IMAGE = "image"

EXTENSIONS: Mapping[str, frozenset[str]] = {
    IMAGE: frozenset({"jpg", "jpeg", "png", "webp", "gif", "svg"}),
    "video": frozenset({"mp4", "mov", "mpeg", "webm"}),
    "audio": frozenset({"mp3", "m4a", "wav", "amr", "mpga"}),
    "document": frozenset(
        {
            *("txt", "markdown", "md", "mdx", "pdf", "html", "htm", "xlsx", "xls", "vtt", "properties", "doc", "docx", "csv"),
            *("eml", "msg", "ppt", "pptx", "xml", "epub", "odt"),
        }
    ),
}

#: Found by the main part of the mime type when the extension tells nothing.
MIME_TYPES = (IMAGE, "video", "audio")

FILE_TYPES = frozenset({*EXTENSIONS, CUSTOM})


def detect_type(extension: str, mime_type: str) -> str:
    """The kind of a file: by its extension (with or without dot, any case), else by its mime type, else ``custom``."""
    ending = extension.removeprefix(".").lower()
    by_extension = next((kind for kind, endings in EXTENSIONS.items() if ending in endings), None)
    return by_extension or next((kind for kind in MIME_TYPES if mime_type.lower().startswith(f"{kind}/")), CUSTOM)


def typed(file: File, given: Any, *, strict: bool) -> File:
    """The file with the type that counts: the detected one, unless the sender is believed.

    ``given`` is the ``type`` of the request, None if it has none. Strict: it must equal the detected one, and an upload without a type
    counts as ``custom``. Raises ``FormError``.
    """
    detected = detect_type(file.extension, file.mime_type)
    if given is not None and not (isinstance(given, str) and given in FILE_TYPES):
        raise FormError(f"No matching enum found for value '{given}'")
    claimed = CUSTOM if given is None and file.transfer_method == "local_file" else given
    if strict and claimed is not None and claimed != detected:
        raise FormError("Detected file type does not match the specified type. Please verify the file.")
    return replace(file, type=detected if given in (None, CUSTOM) else given)


@dataclass(frozen=True, slots=True)
class FileRules:
    """The allowed lists of a form variable or of ``features.file_upload``; an empty list allows everything but custom files."""

    types: frozenset[str] = frozenset()
    #: Lower case, without dot; only for custom files.
    extensions: frozenset[str] = frozenset()
    methods: frozenset[str] = frozenset()

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> FileRules:
        return cls(
            frozenset(texts(config.get("allowed_file_types"))),
            frozenset(text.removeprefix(".").lower() for text in texts(config.get("allowed_file_extensions"))),
            frozenset(texts(config.get("allowed_file_upload_methods"))),
        )

    def check(self, file: File, given: Any) -> None:
        """Raises ``FormError`` unless the file is allowed; ``given`` is the type of the request, not the detected one."""
        if file.transfer_method != "tool_file" and not self._allows(file, CUSTOM if given is None else given):
            raise FormError(f"File validation failed for file: {file.filename}")

    def _allows(self, file: File, given: str) -> bool:
        if self.methods and file.transfer_method not in self.methods:
            return False
        if given == CUSTOM:
            return file.extension.removeprefix(".").lower() in self.extensions
        return not self.types or given in self.types


def texts(value: Any) -> list[str]:
    """The texts of a list; none for anything else: the editor writes null for an empty list."""
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []
