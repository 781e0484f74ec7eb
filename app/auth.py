"""API key -> app, before anything else of a request is looked at (api-contract.md section 1.2)."""

from __future__ import annotations

from flask import g, request

from app.errors import APIError
from app.parts import current_parts
from worker.store.keys import KeyedApp, look_up_token

WORKFLOW_MODE = "workflow"


def require_key() -> None:
    """``before_request`` of every blueprint that needs a key; routing errors never come here."""
    if request.method != "OPTIONS":
        g.keyed_app = authenticate(bearer_token(request.headers.get("Authorization")))


def caller() -> KeyedApp:
    """The app whose key this request carries."""
    app: KeyedApp = g.keyed_app
    return app


def require_workflow_app() -> KeyedApp:
    """The caller. Raises ``APIError`` ``not_workflow_app`` for an app of another mode."""
    app = caller()
    if app.mode != WORKFLOW_MODE:
        raise APIError("not_workflow_app")
    return app


def bearer_token(header: str | None) -> str:
    """The token of an ``Authorization`` header. Raises ``APIError`` 401."""
    pieces = (header or "").split(None, 1)
    if len(pieces) < 2:
        raise APIError("unauthorized", "Authorization header must be provided and start with 'Bearer'")
    scheme, token = pieces
    if scheme.lower() != "bearer":
        raise APIError("unauthorized", "Authorization scheme must be 'Bearer'")
    return token.rstrip()


def authenticate(token: str) -> KeyedApp:
    """The app that a token opens. Raises ``APIError`` 401 or 403.

    One query per request and nothing is remembered, so that a revoked key or a new version counts from the next request on.
    """
    app = look_up_token(current_parts().database, token)
    if app is None:
        raise APIError("unauthorized", "Access token is invalid")
    if app.status != "normal":
        raise APIError("forbidden", "The app's status is abnormal.")
    if not app.api_enabled:
        raise APIError("forbidden", "The app's API service has been disabled.")
    current_parts().key_uses.note(app.key_id)
    return app
