"""The comparisons of list-operator (nodes.md section 6.18): which items of a list stay.

A value or an operator that does not fit raises ``NodeError`` with the reference server's text.
"""

from __future__ import annotations

import operator as python
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from worker.engine.errors import NodeError
from worker.engine.variables import File, FileURL, file_attribute

T = TypeVar("T")

Compare = Callable[[Any, Any], bool]

#: By name, of an item and the value it is compared with.
MEMBERSHIP: Mapping[str, Compare] = {
    "in": lambda item, value: item in value,
    "not in": lambda item, value: item not in value,
}
EQUALITY: Mapping[str, Compare] = {"is": python.eq, "is not": python.ne}
TEXT: Mapping[str, Compare] = {
    **EQUALITY,
    **MEMBERSHIP,
    "contains": lambda item, value: value in item,
    "not contains": lambda item, value: value not in item,
    "start with": lambda item, value: item.startswith(value),
    "end with": lambda item, value: item.endswith(value),
    "empty": lambda item, value: not item,
    "not empty": lambda item, value: bool(item),
}
NUMBER: Mapping[str, Compare] = {"=": python.eq, "≠": python.ne, "<": python.lt, "≤": python.le, ">": python.gt, "≥": python.ge}
OPERATORS = (*TEXT, *NUMBER)

FILE_TEXTS = frozenset({"name", "extension", "mime_type", "url", "related_id"})
FILE_CHOICES = frozenset({"type", "transfer_method"})
FILE_SIZE = "size"
FILE_KEYS = FILE_TEXTS | FILE_CHOICES | {FILE_SIZE}


class ListError(NodeError):
    """A list that cannot be treated as asked. The reference server shows no class name for these failures."""

    error_type = ""


def keep_texts(items: Sequence[str], name: str, value: Any) -> list[str]:
    return _kept(items, _among(TEXT, name), _text(value))


def keep_numbers(items: Sequence[int | float], name: str, value: Any) -> list[int | float]:
    return _kept(items, _among(NUMBER, name), _number(_text(value)))


def keep_booleans(items: Sequence[bool], name: str, value: Any) -> list[bool]:
    if not isinstance(value, bool):
        raise _value_error(f"Boolean filter expects a boolean value, got {type(value)}")
    return _kept(items, _among(EQUALITY, name), value)


def keep_files(files: Sequence[File], key: str, name: str, value: Any, file_url: FileURL) -> list[File]:
    """Files by one of their attributes."""
    if isinstance(value, bool):
        raise _value_error(f"File filter expects a string value, got {type(value)}")
    if key in FILE_CHOICES:
        operators, expected = MEMBERSHIP, value
    elif key in FILE_TEXTS and isinstance(value, str):
        operators, expected = TEXT, value
    elif key == FILE_SIZE and isinstance(value, str):
        operators, expected = NUMBER, _number(value)
    else:
        raise ListError(f"Invalid key: {key}")
    compare = _among(operators, name)
    return [file for file in files if compare(attribute(file, key, file_url), expected)]


def attribute(file: File, key: str, file_url: FileURL) -> Any:
    """What a file is compared and sorted by: its size, or a text, empty where there is none."""
    found = file_attribute(file, key, file_url)
    return found if key == FILE_SIZE else found or ""


def _kept(items: Sequence[T], compare: Compare, value: Any) -> list[T]:
    return [item for item in items if compare(item, value)]


def _among(operators: Mapping[str, Compare], name: str) -> Compare:
    if name not in operators:
        raise ListError(f"Invalid condition: {name}")
    return operators[name]


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ListError(f"Invalid filter value: {value}")
    return value


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError as error:
        raise _value_error(str(error)) from error


def _value_error(message: str) -> NodeError:
    return NodeError(message, error_type="ValueError")
