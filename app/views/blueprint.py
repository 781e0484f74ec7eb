"""The blueprint of this API: asks for a key, and documents what the views answer."""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus
from typing import Any, TypeVar

from flask_smorest import Blueprint
from marshmallow import Schema

from app.auth import require_key

View = TypeVar("View", bound=Callable[..., Any])


class APIBlueprint(Blueprint):
    """``is_open``: its endpoints need no API key."""

    def __init__(self, name: str, import_name: str, *, is_open: bool = False, **options: Any) -> None:
        super().__init__(name, import_name, **options)
        self._is_open = is_open
        if not is_open:
            self.before_request(require_key)

    def fails(self, *statuses: int) -> Callable[[View], View]:
        """Documents errors of a view, beside those of authentication."""
        of_key = () if self._is_open else (401, 403)
        responses = {str(status): HTTPStatus(status).name for status in sorted({*statuses, *of_key})}
        return noting(responses=responses, **({"security": []} if self._is_open else {}))

    def takes(self, schema: type[Schema], content_type: str = "application/json") -> Callable[[View], View]:
        """Documents the body of a view, which reads it itself: checks have an order (api-contract.md section 2.1)."""
        return noting(requestBody={"required": True, "content": {content_type: {"schema": schema}}})

    def asks(self, *parameters: dict[str, Any]) -> Callable[[View], View]:
        """Documents parameters in query and headers of a view."""
        return noting(parameters=list(parameters))


def noting(**notes: Any) -> Callable[[View], View]:
    """What ``Blueprint.doc`` does, without a function around the view for each note."""

    def decorate(view: View) -> View:
        known: dict[str, Any] = view.__dict__.setdefault("_apidoc", {})
        known.setdefault("manual_doc", {}).update(notes)
        return view

    return decorate


def query(name: str, description: str, kind: str = "string", *, required: bool = False) -> dict[str, Any]:
    return {"in": "query", "name": name, "description": description, "schema": {"type": kind}, "required": required}


def header(name: str, description: str, kind: str = "string") -> dict[str, Any]:
    return {"in": "header", "name": name, "description": description, "schema": {"type": kind}}


EVENT_IDS = query("event_ids", "`true`: every event carries an `id:` line with its number.", "boolean")
LAST_EVENT_ID = header("Last-Event-ID", "Number of the last event that the client has: the stream goes on after it.", "integer")
