"""What the scripted web answers with."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

JSON = "application/json"
HTML = "text/html; charset=utf-8"
TEXT = "text/plain; charset=utf-8"
RSS = "application/rss+xml; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Answer:
    body: bytes
    media_type: str
    status: int = 200
    #: Further ones: name and value.
    headers: tuple[tuple[str, str], ...] = ()


def of_json(value: Any) -> Answer:
    return Answer(json.dumps(value, ensure_ascii=False).encode(), JSON)


def of_text(text: str, media_type: str = TEXT) -> Answer:
    return Answer(text.encode(), media_type)
