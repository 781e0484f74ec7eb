"""The variables that a start node declares (nodes.md section 6.1)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from worker.engine.errors import kind_of
from worker.engine.file_types import FileRules

TEXT_TYPES = ("text-input", "paragraph", "external_data_tool")
FILE_TYPES = ("file", "file-list")
INPUT_TYPES = (*TEXT_TYPES, "select", "number", "checkbox", "json_object", *FILE_TYPES)


@dataclass(frozen=True, slots=True)
class FormVariable:
    """One input of the start form."""

    name: str
    #: One of ``INPUT_TYPES``.
    type: str
    required: bool
    default: Any
    #: Characters, or files of a list; 0: no limit.
    max_length: int
    options: Sequence[str]
    rules: FileRules
    #: JSON Schema of a ``json_object``; None: anything.
    json_schema: Any
    #: The variable as the document has it.
    document: Mapping[str, Any]

    @classmethod
    def of(cls, declared: Mapping[str, Any]) -> FormVariable:
        """A declared variable in which ``mistake_in`` finds nothing wrong."""
        return cls(
            name=declared["variable"],
            type=declared["type"],
            required=bool(declared.get("required")),
            default=declared.get("default"),
            max_length=_length(declared.get("max_length")),
            options=[str(option) for option in declared.get("options") or ()],
            rules=FileRules.of(declared),
            json_schema=_schema(declared.get("json_schema")),
            document=declared,
        )


def mistake_in(declared: Any) -> str | None:
    """What is wrong with a declared variable."""
    if not isinstance(declared, Mapping):
        return f"a start variable must be a mapping, not {kind_of(declared)}"
    name, kind = declared.get("variable"), declared.get("type")
    if not isinstance(name, str) or not name:
        return "a start variable must have a name in 'variable'"
    if not isinstance(kind, str) or kind not in INPUT_TYPES:
        return f"start variable '{name}' has the unknown type {kind!r:.60}"
    if not isinstance(declared.get("options"), list | None):
        return f"options of start variable '{name}' must be a list"
    try:
        _length(declared.get("max_length"))
        _schema(declared.get("json_schema"))
    except ValueError as error:
        return f"start variable '{name}': {error}"
    return None


def _length(value: Any) -> int:
    """Limits are numbers, also written as text; none and 0 mean no limit. Raises ``ValueError``."""
    if value is None or value == "":
        return 0
    if isinstance(value, int | float) or (isinstance(value, str) and value.strip().isdecimal()):
        return max(0, int(value))
    raise ValueError("max_length must be a number")


def _schema(value: Any) -> Any:
    """A JSON Schema, also written as JSON text. Raises ``ValueError``."""
    if isinstance(value, str):
        if not value.strip():
            return None
        try:
            value = json.loads(value)
        except (ValueError, RecursionError) as error:
            raise ValueError("json_schema is no JSON") from error
    if value is not None and not isinstance(value, Mapping):
        raise ValueError("json_schema must be an object")
    return value or None
