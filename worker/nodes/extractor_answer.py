"""Finds the object in a model's answer, whatever the model wrote around it."""

from __future__ import annotations

import json
import re
from typing import Any

OPENING = re.compile(r"[{\[]")


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is not JSON")


#: Takes line breaks inside texts, which models write; refuses NaN and infinities, which no client could read.
DECODER = json.JSONDecoder(strict=False, parse_constant=_refuse)


def find_object(text: str) -> dict[str, Any] | None:
    """The first object that begins at any bracket of the text; the first one in a list that is no object itself."""
    for opening in OPENING.finditer(text):
        value = _value_at(text, opening.start())
        if isinstance(value, dict):
            return value
    return None


def _value_at(text: str, position: int) -> Any:
    """The JSON value that begins there; None if there is none."""
    try:
        return DECODER.raw_decode(text, position)[0]
    except (ValueError, RecursionError):
        return None
