"""Checks and converts the value of one form variable (api-contract.md section 3.1); files are found after everything was checked."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from worker.engine.errors import FormError
from worker.engine.file_inputs import ResolveFile, read_file, read_files
from worker.engine.form_variables import FILE_TYPES, TEXT_TYPES, FormVariable

WORDS = {**dict.fromkeys(("true", "1", "yes", "on"), True), **dict.fromkeys(("false", "0", "no", "off"), False)}

#: What JSON and the database keep exactly; larger integers become floats.
SMALLEST_INTEGER, LARGEST_INTEGER = -(2**63), 2**64 - 1


def prepared_value(variable: FormVariable, given: Any) -> Any:
    """The value that a run sees, before files are resolved. Raises ``FormError``."""
    given = _unset(variable, given)
    if given is None and variable.required:
        raise FormError(f"{variable.name} is required in input form")
    value = _unset(variable, variable.default) if given is None else given
    return None if value is None else CHECKS[variable.type](variable, value)


def _unset(variable: FormVariable, value: Any) -> Any:
    """An optional file or choice is unset by an empty text too."""
    is_blank = value == "" and not variable.required and variable.type in (*FILE_TYPES, "select")
    return None if is_blank else value


def _check_text(variable: FormVariable, value: Any) -> str:
    text = _text(variable, value)
    if variable.max_length and len(text) > variable.max_length:
        raise FormError(f"{variable.name} in input form must be less than {variable.max_length} characters")
    return text


def _text(variable: FormVariable, value: Any) -> str:
    if not isinstance(value, str):
        raise FormError(f"(type '{variable.type}') {variable.name} in input form must be a string")
    return value


def _check_select(variable: FormVariable, value: Any) -> str:
    text = _text(variable, value)
    if text not in variable.options:
        raise FormError(f"{variable.name} in input form must be one of the following: {list(variable.options)}")
    return text


def _check_number(variable: FormVariable, value: Any) -> int | float | None:
    try:
        number = _number(value)
    except (ValueError, TypeError, OverflowError) as error:
        raise FormError(f"{variable.name} in input form must be a valid number") from error
    return number


def _number(value: Any) -> int | float | None:
    if isinstance(value, str):
        if not value.strip():
            return None
        value = float(value) if "." in value else int(value)
    if not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(value)
    return storable(value)


def storable(value: int | float) -> int | float:
    """An integer beyond 64 bits as a float. Raises ``OverflowError`` beyond those."""
    return value if isinstance(value, float) or SMALLEST_INTEGER <= value <= LARGEST_INTEGER else float(value)


def _check_checkbox(variable: FormVariable, value: Any) -> Any:
    """Other texts and numbers than those that mean yes or no pass as they are."""
    if isinstance(value, Mapping):
        raise FormError(f"Invalid input type for ['{variable.name}']")
    if isinstance(value, list):
        raise FormError(f"{variable.name} in input form must be a boolean")
    if isinstance(value, str):
        return WORDS.get(value.strip().lower(), value)
    return bool(value) if value in (0, 1) else value


def _check_object(variable: FormVariable, value: Any) -> Any:
    if value and not isinstance(value, Mapping):
        raise FormError(f"{variable.name} in input form must be a dict")
    return value


def _check_file(variable: FormVariable, value: Any) -> Any:
    if not isinstance(value, Mapping):
        raise FormError(f"{variable.name} in input form must be a file")
    return value


def _check_file_list(variable: FormVariable, value: Any) -> Any:
    if not isinstance(value, list) or not all(isinstance(item, Mapping) for item in value):
        raise FormError(f"{variable.name} in input form must be a list of files")
    if variable.max_length and len(value) > variable.max_length:
        raise FormError(f"{variable.name} in input form must be less than {variable.max_length} files")
    return value


CHECKS: Mapping[str, Callable[[FormVariable, Any], Any]] = {
    **dict.fromkeys(TEXT_TYPES, _check_text),
    "select": _check_select,
    "number": _check_number,
    "checkbox": _check_checkbox,
    "json_object": _check_object,
    "file": _check_file,
    "file-list": _check_file_list,
}


def resolved_value(variable: FormVariable, value: Any, resolve_file: ResolveFile) -> Any:
    """A prepared value with its files found, and without what the database cannot hold. Raises ``FormError``."""
    if value is None:
        return None
    if variable.type == "file":
        return read_file(value, resolve_file, variable.rules, strict=True)
    if variable.type == "file-list":
        # The reference server does not check the stated types here (api-contract.md section 3.3).
        return read_files(value, resolve_file, variable.rules, strict=False)
    try:
        return clean(value)
    except OverflowError as error:
        raise FormError(f"{variable.name} in input form holds a number that is too large") from error


def clean(value: Any) -> Any:
    """The value without NUL characters, which the database cannot hold, and without integers that JSON readers cannot."""
    if isinstance(value, str):
        return value.replace("\0", "")
    if isinstance(value, Mapping):
        return {clean(key): clean(item) for key, item in value.items()}
    if isinstance(value, list):
        return [clean(item) for item in value]
    return storable(value) if isinstance(value, int) else value
