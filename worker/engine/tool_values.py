"""Casts values to the types that tools declare (nodes.md section 6.13)."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from worker.engine.errors import NodeError
from worker.engine.tools import PARAMETER_ERROR, ToolParameter

TRUE_WORDS = frozenset({"true", "yes", "y", "1"})
FALSE_WORDS = frozenset({"false", "no", "n", "0"})


def prepare(parameters: Sequence[ToolParameter], given: Mapping[str, Any]) -> dict[str, Any]:
    """The values that a tool is called with: cast, with defaults, without those that it does not know or that have no value.

    Raises ``NodeError`` for a required one that is missing and for a value of the wrong type.
    """
    found = {}
    for parameter in parameters:
        values = (cast_value(parameter, value) for value in (given.get(parameter.name), parameter.default))
        value = next((value for value in values if value is not None), None)
        if value is not None:
            found[parameter.name] = value
        elif parameter.required:
            raise NodeError(f"tool parameter {parameter.name} not found in tool config", error_type=PARAMETER_ERROR)
    return found


def cast_value(parameter: ToolParameter, value: Any) -> Any:
    """None stays None, and becomes of a blank text where a number is wanted. Raises ``NodeError``."""
    if value is None:
        return None
    try:
        return CASTS[parameter.type](value) if parameter.type in CASTS else value
    except (ValueError, TypeError, OverflowError):
        message = f"The tool parameter value {value!r:.200} of {parameter.name} is not in correct type of {parameter.type}."
        raise NodeError(message, error_type=PARAMETER_ERROR) from None


def text(value: Any) -> str:
    if isinstance(value, str):
        return str(value)
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) else str(value)


def boolean(value: Any) -> bool:
    if isinstance(value, str):
        word = value.strip().lower()
        return word in TRUE_WORDS or (word not in FALSE_WORDS and bool(word))
    return bool(value)


def number(value: Any) -> int | float | None:
    if isinstance(value, str):
        written = value.strip()
        if not written:
            return None
        return float(written) if any(sign in written for sign in ".eE") else int(written)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(value)
    return value


def single_file(value: Any) -> Any:
    if not isinstance(value, list):
        return value
    if len(value) != 1:
        raise ValueError(value)
    return value[0]


def array(value: Any) -> list[Any]:
    if isinstance(value, list):
        return value
    parsed = parsed_json(value)
    return parsed if isinstance(parsed, list) else [value]


def mapping(value: Any) -> dict[str, Any]:
    if isinstance(value, dict):
        return value
    parsed = parsed_json(value)
    return parsed if isinstance(parsed, dict) else {}


def parsed_json(value: Any) -> Any:
    """None for what is no JSON text."""
    try:
        return json.loads(value) if isinstance(value, str) else None
    except (ValueError, RecursionError):
        return None


CASTS: Mapping[str, Callable[[Any], Any]] = {
    "string": text,
    "select": text,
    "secret-input": text,
    "boolean": boolean,
    "number": number,
    "file": single_file,
    "files": lambda value: value if isinstance(value, list) else [value],
    "array": array,
    "object": mapping,
}
