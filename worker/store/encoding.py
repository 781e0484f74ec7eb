"""JSON and plain text as the database keeps them.

PostgreSQL refuses NUL in text; no UTF-8 can hold a lone surrogate; orjson refuses integers over 64 bits and reads them as floats.
Each of these can come out of a workflow, so each has a defined form here.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

import orjson

#: A dataclass in a JSON value is a file that nobody turned into its mapping: an error, not something to guess a form for.
OPTIONS = orjson.OPT_PASSTHROUGH_DATACLASS

#: Put before a text that only the standard library reads digit by digit. JSON allows it, and orjson never writes it.
EXACT = " "


def dumps(value: Any) -> str:
    """JSON text of plain JSON types. NUL stays, escaped; a lone surrogate becomes U+FFFD; NaN and infinities become null.

    Raises ``TypeError`` for anything else.
    """
    try:
        return orjson.dumps(value, option=OPTIONS).decode()
    except TypeError:
        return EXACT + without_surrogates(json.dumps(_plain(value), ensure_ascii=False, separators=(",", ":")))


def loads(text: str) -> Any:
    """What ``dumps`` was given."""
    return json.loads(text) if text.startswith(EXACT) else orjson.loads(text)


def clean_text(text: str) -> str:
    """A text that every database takes: NUL and lone surrogates become U+FFFD."""
    return without_surrogates(text.replace("\0", "\ufffd"))


def without_surrogates(text: str) -> str:
    """The same text with lone surrogates replaced by U+FFFD; pairs become the character they stand for."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def _plain(value: Any) -> Any:
    """Without the floats that JSON does not know, and with text keys."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value
