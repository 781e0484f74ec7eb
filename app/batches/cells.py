"""Cells of a table -> inputs of a run, by the variables of the start form."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

import orjson

from worker.engine.errors import FormError
from worker.engine.file_inputs import ResolveFile, is_uuid
from worker.engine.form_variables import FormVariable
from worker.engine.values import File


def cell_value(variable: FormVariable, text: str, resolve: ResolveFile) -> Any:
    """What a request would carry for the text; an empty cell is not given. Raises ``FormError``.

    Numbers, choices and checkboxes stay text: the form converts them as it does for a run.
    """
    if text == "":
        return None
    read = READERS.get(variable.type)
    return text if read is None else read(variable, text.strip(), resolve)


def _object(variable: FormVariable, text: str, resolve: ResolveFile) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise FormError(f"{variable.name} in input form is not JSON: {error.msg} (column {error.colno})") from error


def _file(variable: FormVariable, text: str, resolve: ResolveFile) -> Any:
    return _object(variable, text, resolve) if text.startswith("{") else reference(variable, text, resolve)


def _file_list(variable: FormVariable, text: str, resolve: ResolveFile) -> Any:
    if text.startswith("["):
        return _object(variable, text, resolve)
    return [reference(variable, part, resolve) for part in text.split()]


READERS: Mapping[str, Callable[[FormVariable, str, ResolveFile], Any]] = {"json_object": _object, "file": _file, "file-list": _file_list}


def reference(variable: FormVariable, text: str, resolve: ResolveFile) -> dict[str, Any]:
    """The file object for an address or the id of an upload; it claims the type that the file turns out to have. Raises ``FormError``."""
    if is_uuid(text):
        mapping = {"transfer_method": "local_file", "upload_file_id": text}
    elif urlsplit(text).scheme in ("http", "https"):
        mapping = {"transfer_method": "remote_url", "url": text}
    else:
        raise FormError(f"{variable.name} in input form must be the address of a file, or the id of an upload")
    return {**mapping, "type": resolve(mapping).type}


def remembering(resolve: ResolveFile) -> ResolveFile:
    """The same, which looks for each file of an item once."""
    found: dict[tuple[Any, ...], File] = {}

    def find(mapping: Mapping[str, Any]) -> File:
        key = tuple(str(mapping.get(name)) for name in ("transfer_method", "upload_file_id", "tool_file_id", "url", "remote_url"))
        if key not in found:
            found[key] = resolve(mapping)
        return found[key]

    return find
