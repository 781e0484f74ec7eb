"""A request as the scripted server reads it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from werkzeug.formparser import parse_form_data

#: Where the server keeps the connection of a request, in its WSGI environment.
CONNECTION = "penstock.connection"


@dataclass(frozen=True, slots=True)
class Incoming:
    method: str
    path: str
    #: `Authorization` or `x-api-key`.
    key: str
    #: The header `X-Dev`.
    script: str
    #: A JSON object, or the fields of a form, its files as ``{"name", "size"}``. None: neither.
    body: Mapping[str, Any] | None

    @classmethod
    def of(cls, environ: Mapping[str, Any]) -> Incoming:
        return cls(
            environ["REQUEST_METHOD"],
            environ["PATH_INFO"].rstrip("/"),
            environ.get("HTTP_AUTHORIZATION") or environ.get("HTTP_X_API_KEY") or "",
            environ.get("HTTP_X_DEV", ""),
            _form(environ) if environ.get("CONTENT_TYPE", "").startswith("multipart/") else _json(environ),
        )


def _json(environ: Mapping[str, Any]) -> Mapping[str, Any] | None:
    try:
        value = json.loads(environ["wsgi.input"].read())
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _form(environ: Mapping[str, Any]) -> Mapping[str, Any]:
    _, fields, files = parse_form_data(dict(environ))
    sizes = {}
    for name, file in files.items():
        sizes[name] = {"name": file.filename, "size": len(file.read())}
        file.close()
    return {**fields.to_dict(), **sizes}
