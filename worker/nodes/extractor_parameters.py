"""The parameters that a parameter-extractor declares: how they are read, and the JSON schema the model is shown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from worker.engine.declared_types import is_array
from worker.nodes.fields import Fields

#: Old documents say ``bool`` and ``select``; normalisation renames them, and who skips it is understood all the same.
RENAMED_TYPES = {"bool": "boolean", "select": "string"}
TYPES = ("string", "number", "boolean", "array[string]", "array[number]", "array[object]", "array[boolean]", *RENAMED_TYPES)

#: Outputs of the node's own.
RESERVED_NAMES = frozenset({"__reason", "__is_success"})


@dataclass(frozen=True, slots=True)
class Parameter:
    name: str
    #: One of ``TYPES``, without the renamed ones.
    type: str
    description: str
    is_required: bool
    #: The only texts allowed; empty: any.
    options: tuple[str, ...] = ()

    @property
    def document(self) -> dict[str, Any]:
        """How node inputs show it."""
        options = list(self.options) or None
        return {"name": self.name, "type": self.type, "options": options, "description": self.description, "required": self.is_required}

    @property
    def item_type(self) -> str | None:
        """Type of the items of an array; None for other types."""
        return self.type.removeprefix("array[").removesuffix("]") if is_array(self.type) else None

    @property
    def schema(self) -> dict[str, Any]:
        schema: dict[str, Any] = {"description": self.description, "type": self.type}
        if self.item_type:
            schema |= {"type": "array", "items": {"type": self.item_type}}
        return schema | ({"enum": list(self.options)} if self.options else {})


def read_parameters(fields: Fields) -> tuple[Parameter, ...]:
    return tuple(_read(item) for item in fields.items("parameters"))


def _read(fields: Fields) -> Parameter:
    name = fields.required_text("name")
    if name in RESERVED_NAMES:
        fields.report("name", f"'{name}' is the name of an output that the node has anyway; a parameter needs another one")
    kind = fields.choice("type", TYPES)
    options = tuple(str(option) for option in fields.sequence("options"))
    return Parameter(name, RENAMED_TYPES.get(kind, kind), fields.text("description"), fields.flag("required"), options)


def schema_of(parameters: Sequence[Parameter]) -> dict[str, Any]:
    """The JSON schema of an object with all parameters (nodes.md section 6.10)."""
    return {
        "type": "object",
        "properties": {parameter.name: parameter.schema for parameter in parameters},
        "required": [parameter.name for parameter in parameters if parameter.is_required],
    }
