"""The values of a run: plain Python objects, two types of our own, and the names of their types.

A value is None, bool, int, float, str, list, dict, ``File`` or ``Secret``. Values are never changed in place: whoever needs another
one makes it, so that pools, events and records may share them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from worker.engine.errors import VariableError

#: Value of ``dify_model_identity``: how a file is recognised inside JSON.
FILE_IDENTITY = "__dify__file__"

#: Names that a selector may use behind a file (nodes.md section 3.1).
FILE_ATTRIBUTES = ("type", "size", "name", "mime_type", "transfer_method", "url", "extension", "related_id")


class Secret(str):
    """A text that templates render plainly and logs masked (nodes.md section 2.4)."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class File:
    """A file by reference; its content lies in the file store or at ``remote_url`` (nodes.md section 5.2)."""

    #: ``image``, ``document``, ``audio``, ``video`` or ``custom``.
    type: str
    #: ``local_file``, ``remote_url`` or ``tool_file``.
    transfer_method: str
    filename: str
    #: With dot; empty if there is none.
    extension: str
    mime_type: str
    #: Bytes; -1 when unknown.
    size: int
    remote_url: str | None = None
    #: Id in the file store; None for remote files.
    related_id: str | None = None
    #: Owner of a stored file: the app's id.
    tenant_id: str = ""


#: Makes the address of a file that needs no header; the ``url`` method of ports.Files is one.
FileURL = Callable[[File], str]


def remote_address(file: File) -> str:
    """The ``FileURL`` of who has no file store: remote files have an address, stored ones none."""
    return file.remote_url or ""


def file_address(file: File, file_url: FileURL) -> str:
    """A remote file keeps its own address, a stored one gets a signed one (api-contract.md section 3.4)."""
    if file.transfer_method == "remote_url" and file.remote_url:
        return file.remote_url
    return file_url(file)


def file_attribute(file: File, name: str, file_url: FileURL) -> Any:
    """What a selector or a condition finds under one of ``FILE_ATTRIBUTES``."""
    if name == "name":
        return file.filename
    if name == "url":
        return file_address(file, file_url)
    return getattr(file, name)


def type_of(value: Any) -> str:
    """Name of a value's type (nodes.md section 2.1): ``integer``, ``array[file]`` ... Raises ``VariableError`` for other objects."""
    if isinstance(value, list):
        return array_type(value)
    name = SCALAR_TYPES.get(type(value))
    if name is None:
        raise VariableError(f"A value of type {type(value).__name__} cannot be a variable.")
    return name


def array_type(items: list[Any]) -> str:
    kinds = {type_of(item) for item in items}
    if kinds == {"integer", "float"}:
        return "array[number]"
    return ARRAY_TYPES.get(kinds.pop(), "array[any]") if len(kinds) == 1 else "array[any]"


#: Types of the values that are plain JSON as they are.
ATOMS = frozenset({type(None), bool, int, float, str})

SCALAR_TYPES: Mapping[type, str] = {
    type(None): "none",
    bool: "boolean",
    int: "integer",
    float: "float",
    str: "string",
    Secret: "secret",
    dict: "object",
    File: "file",
}

#: Type of a list by the one type that all its items have; lists, nulls and mixtures make ``array[any]``.
ARRAY_TYPES: Mapping[str, str] = {
    "string": "array[string]",
    "secret": "array[string]",
    "integer": "array[number]",
    "float": "array[number]",
    "boolean": "array[boolean]",
    "object": "array[object]",
    "file": "array[file]",
}


def plain(value: Any) -> Any:
    """The same value with secrets as ordinary text: what code, templates and End outputs get (nodes.md section 2.4)."""
    if type(value) in ATOMS:
        return value
    if isinstance(value, Secret):
        return str(value)
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, list) else value
