"""Items of a batch as a client wrote them, before they are checked against the start form."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from app.body import MAX_DEPTH, is_too_deep

#: Characters of a ``custom_id``.
MAX_ID_LENGTH = 255

#: What JSON does not know and many programs write all the same.
NO_NUMBERS = ("NaN", "Infinity")


@dataclass(frozen=True, slots=True)
class Row:
    """One item. With an ``error`` it cannot become a run, and the rest says as much as could be read."""

    #: Where it begins: the line of a file, counted from 1, or the place in ``items``, counted from 1.
    line: int
    #: None: the item has none, and goes by its line.
    custom_id: str | None = None
    inputs: Mapping[str, Any] = field(default_factory=dict)
    #: Files beside the form, as in a run request.
    files: Sequence[Any] | None = None
    #: What is wrong, as a sentence for people.
    error: str | None = None


def json_row(line: int, text: bytes | str) -> Row:
    """An item written as JSON: ``{"custom_id", "inputs", "files"}``, the last two also inside of ``body``."""
    try:
        item = orjson.loads(text.rstrip())
    except orjson.JSONDecodeError as error:
        return Row(line, error=f"The item is not JSON: {_reason(error)}.")
    if is_too_deep(item):
        return Row(line, error=f"The item is nested deeper than {MAX_DEPTH} levels.")
    return object_row(line, item)


def _reason(error: orjson.JSONDecodeError) -> str:
    # The parser stumbles over a minus sign before it, or over what follows that.
    found = next((word for word in NO_NUMBERS if error.doc[error.pos :].lstrip("-").startswith(word)), None)
    return f"{found} is no number that JSON knows (column {error.colno})" if found else f"{error.msg} (column {error.colno})"


def object_row(line: int, item: Any) -> Row:
    """An item as a JSON value."""
    if not isinstance(item, dict):
        return Row(line, error="The item must be an object with custom_id and inputs.")
    custom_id, error = read_id(item.get("custom_id"))
    body: Any = item.get("body") if "inputs" not in item and isinstance(item.get("body"), dict) else item
    inputs, files = body.get("inputs"), body.get("files")
    if not isinstance(inputs, dict):
        error = error or ("inputs must be an object." if "inputs" in body else "inputs is required.")
    if not _are_files(files):
        error = error or "files must be an array of file objects."
    return Row(line, custom_id, error=error) if error else Row(line, custom_id, inputs, files)


def _are_files(value: Any) -> bool:
    return value is None or (isinstance(value, list) and all(isinstance(file, dict) for file in value))


def read_id(value: Any) -> tuple[str | None, str | None]:
    """The id that a client gives an item, and what is wrong with it. A whole number becomes its digits."""
    if value is None:
        return None, None
    text = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    if not isinstance(text, str):
        return None, "custom_id must be a text."
    if not 0 < len(text) <= MAX_ID_LENGTH or "\0" in text:
        return None, f"custom_id must have 1 to {MAX_ID_LENGTH} characters, none of them NUL."
    return text, None
