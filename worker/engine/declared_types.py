"""Types that a workflow declares for its variables: what fits them, and their empty values (nodes.md section 2.1)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from worker.engine.errors import VariableError
from worker.engine.values import type_of

#: A declared type only: values of it are integers or floats.
NUMBER = "number"
NUMBER_TYPES = frozenset({NUMBER, "integer", "float"})

#: Makes the value that stands for "nothing yet". Lists of files have none.
ZERO_VALUES: Mapping[str, Callable[[], Any]] = {
    "string": str,
    "integer": int,
    "float": float,
    "boolean": bool,
    "object": dict,
    **dict.fromkeys(("array[any]", "array[string]", "array[number]", "array[object]", "array[boolean]"), list),
}


def is_array(kind: str) -> bool:
    return kind.startswith("array[")


def settle_type(declared: str, value: Any) -> str:
    """The type that a variable declared so has with this value: the declared one, of a number ``integer`` or ``float``.

    Raises ``VariableError`` if the value does not fit: a null fits nothing here, an empty list every list.
    """
    found = type_of(value)
    if value == [] and is_array(declared):
        return declared
    if found == declared or (declared == NUMBER and found in NUMBER_TYPES):
        return found
    raise VariableError(f"Type mismatch: expected {declared}, but got {found}, value={value}")


def zero_value(kind: str) -> Any:
    """Raises ``VariableError`` for a type without one."""
    if kind not in ZERO_VALUES:
        raise VariableError(f"unsupported variable type: {kind}")
    return ZERO_VALUES[kind]()
