"""Cursors of pages: the keys of the last row of one, in a form that clients hand back and do not look into."""

from __future__ import annotations

import base64
import binascii
from typing import Any

import orjson

from worker.operating.errors import Unusable
from worker.store.encoding import clean_text
from worker.store.listings import Keys


def encode(keys: Keys) -> str:
    return base64.urlsafe_b64encode(orjson.dumps(list(keys))).decode("ascii").rstrip("=")


def decode(cursor: str | None, *kinds: type[Any]) -> Keys | None:
    """The keys, of these types (``str`` or ``float``); None for None. Raises ``Unusable`` for what was never given out."""
    if cursor is None:
        return None
    try:
        values = orjson.loads(base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True))
    except (binascii.Error, ValueError):
        values = None
    if not isinstance(values, list) or len(values) != len(kinds):
        raise refusal()
    return tuple(_key(value, kind) for value, kind in zip(values, kinds, strict=True))


def _key(value: Any, kind: type[Any]) -> Any:
    if kind is float and isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    if kind is str and isinstance(value, str):
        return clean_text(value)
    raise refusal()


def refusal() -> Unusable:
    return Unusable("after must be `next` of an earlier page.", "after")
