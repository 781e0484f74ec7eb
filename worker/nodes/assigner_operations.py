"""What the newer assigner can do to a variable (nodes.md section 6.14): what fits which type, and what comes of it.

The checks raise ``VariableError`` with the reference server's texts.
"""

from __future__ import annotations

import json
import math
import operator as python
from collections.abc import Callable, Mapping
from typing import Any

from worker.engine.declared_types import NUMBER_TYPES, is_array, zero_value
from worker.engine.errors import VariableError

VARIABLE = "variable"
CONSTANT = "constant"

OVER_WRITE, SET, CLEAR = "over-write", "set", "clear"
APPEND, EXTEND, REMOVE_FIRST, REMOVE_LAST = "append", "extend", "remove-first", "remove-last"
DIVIDE = "/="
ARITHMETIC: Mapping[str, Callable[[Any, Any], Any]] = {"+=": python.add, "-=": python.sub, "*=": python.mul, DIVIDE: python.truediv}

#: Operations that look at no value.
VALUELESS = frozenset({CLEAR, REMOVE_FIRST, REMOVE_LAST})

#: Operations that take a whole list where the variable is one.
WHOLE_LIST = frozenset({EXTEND, OVER_WRITE})

#: New value out of the old one and the one that comes in.
RESULTS: Mapping[str, Callable[[Any, Any], Any]] = {
    OVER_WRITE: lambda old, new: new,
    SET: lambda old, new: new,
    APPEND: lambda old, new: [*old, new],
    EXTEND: python.add,
    REMOVE_FIRST: lambda old, new: old[1:],
    REMOVE_LAST: lambda old, new: old[:-1],
    **ARITHMETIC,
}
OPERATIONS = (*RESULTS, CLEAR)

#: Python types that variables of each type take, lists as their items; other types take nothing. A boolean is a number here.
TAKEN: Mapping[str, type | tuple[type, ...]] = {
    "string": str,
    "boolean": bool,
    "object": dict,
    **dict.fromkeys((*NUMBER_TYPES, "array[number]"), (int, float)),
    "array[any]": (str, int, float, dict),
    "array[string]": str,
    "array[object]": dict,
    "array[boolean]": bool,
}
SCALARS = frozenset({"string", "boolean", "object"})


def check_support(operation: str, input_type: str, kind: str) -> None:
    """That a variable of this type can be treated so, and from such an input."""
    if not _fits_type(operation, kind):
        raise VariableError(f"Operation {operation} is not supported for type {kind}")
    if not (_takes_variable(operation) if input_type == VARIABLE else _takes_constant(operation, kind)):
        raise VariableError(f"Input type {input_type} is not supported for operation {operation}")


def _fits_type(operation: str, kind: str) -> bool:
    if operation in (OVER_WRITE, CLEAR):
        return True
    if operation == SET:
        return kind in SCALARS | NUMBER_TYPES
    return kind in NUMBER_TYPES if operation in ARITHMETIC else is_array(kind)


def _takes_variable(operation: str) -> bool:
    return operation != SET and operation not in ARITHMETIC


def _takes_constant(operation: str, kind: str) -> bool:
    if operation in (OVER_WRITE, SET):
        return kind in SCALARS | NUMBER_TYPES
    return operation in ARITHMETIC and kind in NUMBER_TYPES


def checked_value(operation: str, kind: str, value: Any) -> Any:
    """The value to work with; a text that sets an object is read as JSON."""
    if operation == SET and kind == "object" and isinstance(value, str):
        return _object(value)
    if operation not in VALUELESS and not _fits_value(operation, kind, value):
        raise VariableError(f"Invalid input value {value}")
    return value


def _object(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except ValueError as error:
        raise VariableError(f"Invalid input value {text}") from error
    if not isinstance(found, dict):
        raise VariableError(f"Invalid input value {found}")
    return found


def _fits_value(operation: str, kind: str, value: Any) -> bool:
    taken = TAKEN.get(kind, ())
    if operation in WHOLE_LIST and is_array(kind):
        return isinstance(value, list) and kind in TAKEN and all(isinstance(item, taken) for item in value)
    return isinstance(value, taken) and not (operation == DIVIDE and value == 0)


def result_of(operation: str, kind: str, old: Any, new: Any) -> Any:
    """The new value of a variable; ``new`` is what ``checked_value`` answered."""
    if operation == CLEAR:
        return zero_value(kind)
    return _calculated(operation, old, new) if operation in ARITHMETIC else RESULTS[operation](old, new)


def _calculated(operation: str, old: Any, new: Any) -> Any:
    """A number that JSON readers can hold."""
    try:
        result = ARITHMETIC[operation](old, new)
        is_finite = math.isfinite(float(result))
    except OverflowError:
        is_finite = False
    if not is_finite:
        raise VariableError(f"The result of operation {operation} is too large")
    return result
