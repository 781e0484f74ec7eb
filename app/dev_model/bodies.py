"""Parts of JSON bodies, refused with a vendor's words where they are wrong."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from app.dev_model.asked import BadRequest


def text_in(body: Mapping[str, Any], key: str) -> str:
    """Raises ``BadRequest`` unless there is a text that is not empty."""
    value = body.get(key)
    if not isinstance(value, str) or not value:
        raise BadRequest(f"you must provide a {key} parameter", key)
    return value


def whole_number_in(body: Mapping[str, Any], *keys: str) -> int | None:
    """The first of ``keys`` that is set. Raises ``BadRequest`` for anything but a positive integer."""
    for key in keys:
        if (value := body.get(key)) is not None:
            if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                raise BadRequest(f"Invalid value for '{key}': expected an integer above 0, got {value!r}.", key)
            return value
    return None


def list_in(body: Mapping[str, Any], key: str) -> list[Mapping[str, Any]]:
    """A list of objects, empty if it is not there. Raises ``BadRequest``."""
    value = body.get(key) or []
    if not isinstance(value, list) or not all(isinstance(item, Mapping) for item in value):
        raise BadRequest(f"Invalid type for '{key}': expected an array of objects.", key)
    return value


def object_in(body: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    """An object, empty if it is not there. Raises ``BadRequest``."""
    value = body.get(key) or {}
    if not isinstance(value, Mapping):
        raise BadRequest(f"Invalid type for '{key}': expected an object.", key)
    return value


def texts_of(value: Any, key: str) -> list[str]:
    """One text or a list of them. Raises ``BadRequest``."""
    texts = [value] if isinstance(value, str) else value
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise BadRequest(f"Invalid type for '{key}': expected a string or an array of strings.", key)
    return texts
