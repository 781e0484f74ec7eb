"""JSON text of whatever a run may hold, safe for clients that split streams at any line separator."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from enum import Enum
from typing import Any

import orjson

from worker.engine.variables import File, FileURL, Secret, file_to_json, mask, to_json

OPTIONS = orjson.OPT_PASSTHROUGH_DATACLASS | orjson.OPT_PASSTHROUGH_SUBCLASS

#: UTF-8 of U+0085, U+2028 and U+2029, at which ``requests`` and ``httpx`` end a line (api-contract.md section 4.1).
LINE_SEPARATORS = ((b"\xc2\x85", b"\\u0085"), (b"\xe2\x80\xa8", b"\\u2028"), (b"\xe2\x80\xa9", b"\\u2029"))


def dump(value: Any, file_url: FileURL) -> bytes:
    """One line of compact JSON: files as mappings with fresh addresses, typed secrets masked, NaN and infinities as null.

    Integers of any size are written digit by digit; a lone surrogate becomes U+FFFD.
    """
    try:
        # Into bytes of their own size: what orjson returns holds the room it worked in, 4 KB for a frame of 400 bytes.
        text = bytes(memoryview(orjson.dumps(value, default=_converter(file_url), option=OPTIONS)))
    except (TypeError, ValueError):
        # orjson refuses integers over 64 bits, lone surrogates and keys that are no text: rare enough for the slow way.
        text = _dump_anything(to_json(value, file_url))
    return _without_line_separators(text)


def _converter(file_url: FileURL) -> Any:
    def convert(value: Any) -> Any:
        if isinstance(value, File):
            return file_to_json(value, file_url)
        if isinstance(value, Secret):
            return mask(value)
        return _plain(value)

    return convert


def _plain(value: Any) -> Any:
    """The plain twin of a subclass of a JSON type."""
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, str):
        return str(value)
    if isinstance(value, int):
        return int(value)
    if isinstance(value, list):
        return list(value)
    raise TypeError(f"A value of type {type(value).__name__} has no JSON form.")


def _dump_anything(value: Any) -> bytes:
    text = json.dumps(_finite(value), ensure_ascii=False, separators=(",", ":"))
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace").encode()


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): _finite(item) for key, item in value.items()}
    return [_finite(item) for item in value] if isinstance(value, list | tuple) else value


def _without_line_separators(text: bytes) -> bytes:
    for separator, escaped in LINE_SEPARATORS:
        if separator in text:
            text = text.replace(separator, escaped)
    return text
