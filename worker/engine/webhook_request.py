"""What a webhook trigger takes of a request (nodes.md section 6.21): checked by its declarations, texts made the declared types."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from worker.engine.errors import kind_of
from worker.engine.normalise import identifier

JSON = "application/json"
FORM = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data"
TEXT = "text/plain"
BINARY = "application/octet-stream"
CONTENT_TYPES = (JSON, FORM, MULTIPART, TEXT, BINARY)

#: What a body that has no fields is kept under.
RAW = "raw"

TRUE, FALSE = frozenset({"true", "1", "yes", "on"}), frozenset({"false", "0", "no", "off"})

#: Declared type -> what JSON must have there; any other type takes anything.
JSON_TYPES: Mapping[str, type | tuple[type, ...]] = {
    "string": str,
    "number": (int, float),
    "boolean": bool,
    "object": dict,
    "array": list,
}

#: What a caller gets where the node says nothing.
DEFAULT_ANSWER = {"status": "success", "message": "The request was accepted."}


class WebhookRefused(Exception):
    """A request that does not have what the trigger declares; a sentence that is safe to show."""

    def __init__(self, message: str, name: str) -> None:
        super().__init__(message)
        self.name = name


@dataclass(frozen=True, slots=True)
class Declared:
    """A header, a query parameter or a field of the body."""

    name: str
    type: str = "string"
    is_required: bool = False


@dataclass(frozen=True, slots=True)
class WebhookConfig:
    """The ``data`` of a webhook trigger, as far as those need it who take its requests."""

    #: In capitals.
    method: str
    content_type: str
    headers: tuple[Declared, ...]
    params: tuple[Declared, ...]
    body: tuple[Declared, ...]
    status_code: int
    response_body: str

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> WebhookConfig:
        """Of a node that was checked at import; what is odd all the same is left out."""
        status = data.get("status_code")
        content_type = identifier(data.get("content_type")) or JSON
        return cls(
            method=(identifier(data.get("method")) or "get").upper(),
            content_type=content_type.lower(),
            headers=_declared(data.get("headers")),
            params=_declared(data.get("params")),
            body=_declared(data.get("body")),
            status_code=status if isinstance(status, int) and 200 <= status <= 599 else 200,
            response_body=identifier(data.get("response_body")),
        )

    @property
    def files(self) -> tuple[Declared, ...]:
        """Fields of the body that are uploads."""
        return tuple(item for item in self.body if item.type == "file")


def _declared(items: Any) -> tuple[Declared, ...]:
    found = [item for item in items if isinstance(item, Mapping)] if isinstance(items, list) else []
    return tuple(
        Declared(name, identifier(item.get("type")) or "string", item.get("required") is True)
        for item in found
        if (name := identifier(item.get("name")))
    )


def checked_headers(declared: tuple[Declared, ...], sent: Mapping[str, str]) -> dict[str, str]:
    """All headers, as they came. Raises ``WebhookRefused`` if a required one is missing, in whatever case."""
    present = {name.lower().replace("_", "-") for name in sent}
    for item in declared:
        if item.is_required and item.name.lower().replace("_", "-") not in present:
            raise WebhookRefused(f"The header {item.name} is required.", item.name)
    return dict(sent)


def checked_texts(declared: tuple[Declared, ...], sent: Mapping[str, str], what: str) -> dict[str, Any]:
    """Query parameters, or fields of a form (``what``), those declared as their types. Raises ``WebhookRefused``."""
    values: dict[str, Any] = dict(sent)
    for item in declared:
        if item.name in sent:
            values[item.name] = _typed(item, sent[item.name], what)
        elif item.is_required:
            raise WebhookRefused(f"The {what} {item.name} is required.", item.name)
    return values


def _typed(item: Declared, text: str, what: str) -> Any:
    word = text.strip().lower()
    if item.type == "number":
        try:
            number = float(word)
            if math.isfinite(number):
                return int(word) if word.lstrip("+-").isdecimal() else number
        except ValueError:
            pass
        raise WebhookRefused(f"The {what} {item.name} must be a number.", item.name)
    if item.type == "boolean":
        if word not in TRUE | FALSE:
            raise WebhookRefused(f"The {what} {item.name} must be true or false.", item.name)
        return word in TRUE
    return text


def checked_json(declared: tuple[Declared, ...], sent: Any) -> dict[str, Any]:
    """The fields of a JSON object; any other JSON value as ``raw``. Raises ``WebhookRefused``."""
    body = sent if isinstance(sent, dict) else {RAW: sent}
    for item in declared:
        value = body.get(item.name)
        if value is None and item.is_required:
            raise WebhookRefused(f"The field {item.name} is required.", item.name)
        if value is not None and not _fits(item.type, value):
            raise WebhookRefused(f"The field {item.name} must be of type {item.type}, not {kind_of(value)}.", item.name)
    return body


def _fits(kind: str, value: Any) -> bool:
    """Whether a JSON value is of a declared type, such as ``array[string]``; of a type that is not known, any is."""
    outer, _, inner = kind.partition("[")
    expected = JSON_TYPES.get(outer)
    if expected is None:
        return True
    if not isinstance(value, expected) or (outer == "number" and isinstance(value, bool)):
        return False
    return not isinstance(value, list) or all(_fits(inner.removesuffix("]"), entry) for entry in value)


def checked_raw(declared: tuple[Declared, ...], sent: Any) -> dict[str, Any]:
    """A body that is one value, text or file. Raises ``WebhookRefused`` for an empty one that is required."""
    if not sent and any(item.is_required for item in declared):
        raise WebhookRefused("The body is required.", "body")
    return {RAW: sent}
