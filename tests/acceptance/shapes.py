"""The shape language of `api-examples.json`: what a JSON value must look like, field by field.

A shape is the name of a type (`str`, `int?`), an object of shapes (a key with `~` may be absent, `...` allows for more, which is allowed
anyway), or an object with one operator such as `$enum`.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
import uuid
from collections.abc import Callable, Iterator
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any


def mismatches(shape: Any, value: Any, path: str = "$") -> Iterator[str]:
    """Where ``value`` has not the shape."""
    if isinstance(shape, str):
        if not has_type(shape, value):
            yield f"{path}: {value!r} is not {shape}"
    elif operator := next((name for name in shape if name in OPERATORS), None):
        yield from OPERATORS[operator](shape[operator], value, path)
    else:
        yield from object_mismatches(shape, value, path)


def object_mismatches(shape: dict[str, Any], value: Any, path: str) -> Iterator[str]:
    if not isinstance(value, dict):
        yield f"{path}: {value!r} is not an object"
        return
    for key, inner in shape.items():
        name = key.removeprefix("~")
        if name in value:
            yield from mismatches(inner, value[name], f"{path}.{name}")
        elif key == name != "...":
            yield f"{path}.{name}: missing"


def has_type(name: str, value: Any) -> bool:
    if name.endswith("?") and value is None:
        return True
    return TYPES[name.removesuffix("?")](value)


def is_int(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def is_text_that(reads: Callable[[str], object]) -> Callable[[Any], bool]:
    """A check for texts that ``reads`` accepts without a ``ValueError``."""

    def check(value: Any) -> bool:
        try:
            return isinstance(value, str) and reads(value) is not None
        except (ValueError, binascii.Error):
            return False

    return check


def read_base64(text: str) -> bytes | None:
    return base64.b64decode(text, validate=True) or None


def read_json(text: str) -> tuple[Any]:
    return (json.loads(text),)


def read_rfc822(text: str) -> datetime | None:
    return parsedate_to_datetime(text) if text.endswith("-0000") else None


TYPES: dict[str, Callable[[Any], bool]] = {
    "any": lambda value: True,
    "null": lambda value: value is None,
    "str": lambda value: isinstance(value, str),
    "str+": lambda value: isinstance(value, str) and value != "",
    "int": is_int,
    "ts": lambda value: is_int(value) and value > 1_500_000_000,
    "number": lambda value: is_int(value) or isinstance(value, float),
    "bool": lambda value: isinstance(value, bool),
    "object": lambda value: isinstance(value, dict),
    "array": lambda value: isinstance(value, list),
    "uuid": is_text_that(uuid.UUID),
    "intstr": lambda value: isinstance(value, str) and re.fullmatch(r"\d+", value) is not None,
    "jsonstr": is_text_that(read_json),
    "base64": is_text_that(read_base64),
    "rfc822": is_text_that(read_rfc822),
    "iso8601": is_text_that(datetime.fromisoformat),
}


def equals(want: Any, value: Any, path: str) -> Iterator[str]:
    if value != want or type(value) is not type(want):
        yield f"{path}: {value!r} is not {want!r}"


def one_of(choices: list[Any], value: Any, path: str) -> Iterator[str]:
    if value not in choices:
        yield f"{path}: {value!r} is none of {choices!r}"


def each(shape: Any, value: Any, path: str) -> Iterator[str]:
    if not isinstance(value, list):
        yield f"{path}: {value!r} is not an array"
        return
    for number, item in enumerate(value):
        yield from mismatches(shape, item, f"{path}[{number}]")


def nullable(shape: Any, value: Any, path: str) -> Iterator[str]:
    if value is not None:
        yield from mismatches(shape, value, path)


def one_of_keys(shapes: dict[str, Any], value: Any, path: str) -> Iterator[str]:
    if not isinstance(value, dict) or len(value) != 1 or not value.keys() <= shapes.keys():
        yield f"{path}: {value!r} has not exactly one of the keys {sorted(shapes)}"
        return
    (key,) = value
    yield from mismatches(shapes[key], value[key], f"{path}.{key}")


OPERATORS: dict[str, Callable[[Any, Any, str], Iterator[str]]] = {
    "$const": equals,
    "$exact": equals,
    "$enum": one_of,
    "$each": each,
    "$nullable": nullable,
    "$one_of_keys": one_of_keys,
}
