"""The three renderings of a value (nodes.md section 2.2): text for templates, markdown for answers and streams, log for records."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from worker.engine.file_json import to_json
from worker.engine.masking import mask
from worker.engine.values import File, FileURL, Secret, file_address, plain, remote_address, type_of

#: ``text_of``, ``markdown_of`` or ``log_of``.
Rendering = Callable[[Any, FileURL], str]


def text_of(value: Any, file_url: FileURL = remote_address) -> str:
    """What a placeholder becomes in templates, prompts and HTTP requests."""
    if isinstance(value, str):
        return str(value)
    if isinstance(value, list):
        return text_of_list(value, file_url)
    if isinstance(value, dict):
        return json.dumps(to_json(plain(value), file_url), ensure_ascii=False)
    return "" if value is None or isinstance(value, File) else str(value)


def text_of_list(items: list[Any], file_url: FileURL) -> str:
    kind = type_of(items)
    if not items or kind == "array[file]":
        return ""
    shown = to_json(plain(items), file_url)
    return json.dumps(shown, ensure_ascii=False) if kind == "array[string]" else repr(shown)


def markdown_of(value: Any, file_url: FileURL = remote_address) -> str:
    """What a value becomes in answers and streamed chunks."""
    if isinstance(value, File):
        return file_link(value, file_url)
    if isinstance(value, list):
        return markdown_of_list(value, file_url)
    if isinstance(value, dict):
        return indented(plain(value), file_url)
    return text_of(value, file_url)


def markdown_of_list(items: list[Any], file_url: FileURL) -> str:
    if type_of(items) == "array[file]":
        return "\n".join(file_link(item, file_url) for item in items)
    return "\n".join(f"- {item}" for item in to_json(plain(items), file_url))


def file_link(file: File, file_url: FileURL) -> str:
    url = file_address(file, file_url)
    return f"![{file.filename}]({url})" if file.type == "image" else f"[{file.filename or url}]({url})"


def log_of(value: Any, file_url: FileURL = remote_address) -> str:
    """What may be shown in logs: secrets masked, files left out."""
    if isinstance(value, Secret):
        return mask(value)
    if isinstance(value, dict):
        return indented(value, file_url)
    if isinstance(value, list):
        return "" if type_of(value) == "array[file]" else repr(to_json(value, file_url))
    return text_of(value, file_url)


def indented(value: dict[str, Any], file_url: FileURL) -> str:
    return json.dumps(to_json(value, file_url), ensure_ascii=False, indent=2)
