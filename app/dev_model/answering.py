"""The start of a response, and bodies that are sent as a whole."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any

from app.dev_model import anthropic_replies, openai_replies
from app.dev_model.delivery import Failure

JSON = "application/json"

PHRASES: Mapping[int, str] = {status.value: status.phrase for status in HTTPStatus}

StartResponse = Callable[..., Any]


class Answering:
    """``start`` is WSGI's."""

    def __init__(self, start: StartResponse, *, is_anthropic: bool) -> None:
        self._start = start
        self._is_anthropic = is_anthropic
        #: None until the response has begun.
        self.status: int | None = None

    def open(self, media_type: str, status: int = 200, *further: tuple[str, str]) -> None:
        """``further`` headers are name and value."""
        self.status = status
        self._start(f"{status} {PHRASES.get(status, 'Unknown')}", [("Content-Type", media_type), *further])

    def json(self, body: Any) -> bytes:
        self.open(JSON)
        return json.dumps(body, ensure_ascii=False).encode("utf-8", "replace")

    def failure(self, failure: Failure) -> bytes:
        retry_after = () if failure.retry_after is None else (("Retry-After", f"{failure.retry_after:g}"),)
        self.open(JSON, failure.status, *retry_after)
        if self._is_anthropic:
            body = anthropic_replies.error_body(failure.status, str(failure))
        else:
            body = openai_replies.error_body(failure.status, str(failure), failure.code)
        return json.dumps(body, ensure_ascii=False).encode("utf-8", "replace")
