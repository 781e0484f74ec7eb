"""A stream as the scripted models write it: bytes to send, and the places where a token is about to come."""

from __future__ import annotations

import enum
import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any


class Pause(enum.Enum):
    """Stands in a stream before each token: delays and faults happen there."""

    TOKEN = enum.auto()


#: What a stream consists of.
Step = bytes | Pause


def paced(tokens: Iterable[str]) -> Iterator[str | Pause]:
    for token in tokens:
        yield Pause.TOKEN
        yield token


def frame(data: Mapping[str, Any], event: str | None = None) -> bytes:
    """One server-sent event."""
    head = f"event: {event}\n" if event else ""
    return f"{head}data: {json.dumps(data, ensure_ascii=False, separators=(',', ':'))}\n\n".encode("utf-8", "replace")
