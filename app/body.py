"""Request bodies, read strictly: one UTF-8 JSON object, no NaN, no lone surrogates, bounded depth (api-contract.md sections 1.4, 1.6)."""

from __future__ import annotations

from typing import Any

import orjson
from flask import Request

from app.errors import APIError, invalid_param

#: Levels of arrays and objects. Deeper bodies are attacks; encoders and databases behind us give up at some 250.
MAX_DEPTH = 100

MAX_USER_LENGTH = 255


def json_object(request: Request) -> dict[str, Any]:
    """The body of a request.

    Raises ``APIError``: 415 for another content type, 400 ``bad_request`` for what is no JSON, ``invalid_param`` for no object.
    """
    if not request.is_json:
        raise APIError("unsupported_media_type")
    refuse_compression(request)
    value = _parse(request.get_data(cache=False))
    if not isinstance(value, dict):
        raise invalid_param("The request body must be a JSON object.")
    return value


def refuse_compression(request: Request) -> None:
    """A small compressed body can grow without bound, and no client of this API compresses."""
    if request.headers.get("Content-Encoding", "identity").strip().lower() not in ("", "identity"):
        raise APIError("unsupported_media_type", "Compressed request bodies are not accepted.")


def _parse(text: bytes) -> Any:
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise APIError("bad_request") from error
    if is_too_deep(value):
        raise APIError("bad_request", f"The request body is nested deeper than {MAX_DEPTH} levels.")
    return value


def is_too_deep(value: Any) -> bool:
    """Whether a JSON value has more than ``MAX_DEPTH`` levels.

    Level by level instead of by recursion, which the depth in question would exhaust.
    """
    level = [value]
    for _ in range(MAX_DEPTH + 1):
        level = [child for item in level for child in _children(item)]
        if not level:
            return False
    return True


def _children(value: Any) -> list[Any]:
    """Arrays and objects directly inside; texts and numbers have no depth."""
    items = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [item for item in items if isinstance(item, (dict, list))]


def user_name(value: Any) -> str | None:
    """The caller's ``user``, or None where it counts as missing (api-contract.md section 1.3).

    Other truthy values become the text that Python prints. Raises ``APIError`` above 255 characters.
    """
    name = str(value).replace("\0", "") if value else ""
    if len(name) > MAX_USER_LENGTH:
        raise invalid_param(f"user must not be longer than {MAX_USER_LENGTH} characters.", "user")
    return name or None


def required_user(value: Any) -> str:
    name = user_name(value)
    if name is None:
        raise invalid_param("Arg user must be provided.", "user")
    return name
