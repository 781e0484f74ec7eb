"""What becomes of the object in a model's answer: it is judged, then brought into the declared types (nodes.md section 6.10)."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from worker.engine.values import type_of
from worker.nodes.extractor_parameters import Parameter

Found = Mapping[str, Any]

CLASSES: Mapping[str, type | tuple[type, ...]] = {"string": str, "number": (int, float), "boolean": bool, "object": dict}


def first_fault(parameters: Sequence[Parameter], found: Found) -> str | None:
    """Why the object is not what was asked for; None if it is."""
    if len(found) != len(parameters):
        return "Invalid number of parameters"
    return next((fault for parameter in parameters if (fault := _fault(parameter, found))), None)


def _fault(parameter: Parameter, found: Found) -> str | None:
    if parameter.is_required and parameter.name not in found:
        return f"Parameter {parameter.name} is required"
    value = found.get(parameter.name)
    if not fits(value, parameter):
        actual = f"actual_type: {type_of(value)}, python_type: {type(value)}, value: {value}"
        return f"Invalid value for parameter {parameter.name}, expected segment type: {parameter.type}, {actual}"
    if parameter.options and value not in parameter.options:
        return f"Invalid `select` value for parameter {parameter.name}"
    return None


def fits(value: Any, parameter: Parameter) -> bool:
    """A boolean passes as a number; each item of an array is looked at; null fits nothing (nodes.md section 2.1)."""
    if parameter.item_type is None:
        return isinstance(value, CLASSES[parameter.type])
    return isinstance(value, list) and all(isinstance(item, CLASSES[parameter.item_type]) for item in value)


def in_declared_types(parameters: Sequence[Parameter], found: Found) -> dict[str, Any]:
    """A value for every parameter: the one found, converted, or else the default of the type."""
    return {parameter.name: _converted(parameter, found.get(parameter.name)) for parameter in parameters}


def _converted(parameter: Parameter, value: Any) -> Any:
    if parameter.item_type is None:
        converted = CONVERSIONS[parameter.type](value)
        return DEFAULTS[parameter.type] if converted is None else converted
    items = value if isinstance(value, list) else []
    kept = (ITEM_CONVERSIONS[parameter.item_type](item) for item in items)
    return [item for item in kept if item is not None]


def _number(value: Any) -> int | float | None:
    """None for what is no finite number, written or spelled out."""
    try:
        if isinstance(value, str):
            value = float(value) if "." in value else int(value)
    except ValueError:
        return None
    if isinstance(value, bool):
        return int(value)
    return value if isinstance(value, int) or (isinstance(value, float) and math.isfinite(value)) else None


def _boolean(value: Any) -> bool | None:
    return bool(value) if isinstance(value, int) else None


def _instance_of(kind: type) -> Callable[[Any], Any]:
    return lambda value: value if isinstance(value, kind) else None


#: None stands for "not convertible"; null itself is not.
CONVERSIONS: Mapping[str, Callable[[Any], Any]] = {"number": _number, "boolean": _boolean, "string": _instance_of(str)}
ITEM_CONVERSIONS: Mapping[str, Callable[[Any], Any]] = {
    "number": _number,
    "boolean": _instance_of(bool),
    "string": _instance_of(str),
    "object": _instance_of(dict),
}

DEFAULTS: Mapping[str, Any] = {"number": 0, "boolean": False, "string": ""}
