"""Bounds of a document, checked before anything walks through it.

A YAML file of a few lines can stand for billions of values (anchors), contain itself, or nest so deep that recursion fails. What passes
here is a finite tree of JSON values.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from worker.engine.errors import Finding

#: Deeper than any export; JSON schemas of tools reach about 20.
MAX_DEPTH = 100

#: Values, shared ones counted at each place; the largest known exports have some 20 000.
MAX_VALUES = 500_000

#: Where a value stands: the place around it and the key or index there.
Place = tuple["Place | None", str | int]


def out_of_bounds(document: Any) -> Finding | None:
    """The first reason why the document is no finite tree of JSON values."""
    seen = 0
    waiting: list[tuple[Any, int, Place | None]] = [(document, 0, None)]
    while waiting:
        value, depth, place = waiting.pop()
        seen += 1
        if seen > MAX_VALUES:
            return Finding("document_too_large", f"the document has more than {MAX_VALUES} values")
        if depth > MAX_DEPTH:
            return Finding("document_too_deep", f"the document is nested deeper than {MAX_DEPTH} levels", path=_dotted(place))
        if message := _no_json(value):
            return Finding("invalid_value", message, path=_dotted(place))
        waiting.extend((item, depth + 1, (place, key)) for key, item in _children(value))
    return None


def _children(value: Any) -> Iterator[tuple[str | int, Any]]:
    if isinstance(value, dict):
        return iter(value.items())
    return iter(enumerate(value)) if isinstance(value, list) else iter(())


def _no_json(value: Any) -> str | None:
    if isinstance(value, dict):
        return next((f"the key {key!r} must be a text; write it in quotes" for key in value if not isinstance(key, str)), None)
    if value is None or isinstance(value, str | bool | int | list):
        return None
    if isinstance(value, float):
        # Neither infinity nor NaN has a JSON form; NaN differs from itself.
        return None if value - value == 0 else f"{value} is not a number that JSON knows"
    return f"a value of type {type(value).__name__} is not allowed; write it in quotes"


def _dotted(place: Place | None) -> str | None:
    keys: list[str] = []
    while place is not None:
        place, key = place
        keys.append(f"[{key}]" if isinstance(key, int) else f".{key}")
    return "".join(reversed(keys)).removeprefix(".") or None
