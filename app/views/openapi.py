"""The OpenAPI document: what every operation shares. The operations are described where they are written."""

from __future__ import annotations

from importlib.metadata import version

from flask import Flask
from flask_smorest import Api

from app.schemas.errors import ErrorSchema

DESCRIPTION = (
    "Runs published workflow apps. A key belongs to one app and decides which workflow runs: send it as `Authorization: Bearer KEY`. "
    "The WebSocket `/v1/workflows/run/{run_id}/ws` carries the same events as the streams here, one JSON text per message: `?after=n` "
    "goes on after event n, `?continue_on_pause=true` stays while the run waits for people, "
    '`{"type": "auth", "key": "..."}` as the first message stands in for the header, and `{"type": "stop"}` stops the run.'
)


class WorkflowAPI(Api):
    """Errors have the form of ``app.errors``, which also handles them."""

    ERROR_SCHEMA = ErrorSchema

    def _register_error_handlers(self) -> None:
        return


def describe(app: Flask) -> Api:
    """The document of an application; blueprints registered with it add their operations."""
    api = WorkflowAPI(
        app,
        spec_kwargs={
            "title": "Penstock Workflow App API",
            "version": version("penstock"),
            "openapi_version": "3.1.0",
            "info": {"description": DESCRIPTION},
            "security": [{"key": []}],
        },
    )
    api.spec.components.security_scheme("key", {"type": "http", "scheme": "bearer", "description": "API key of an app."})
    return api


def describe_admin(api: Api) -> None:
    """The security of the admin API's operations, which name it themselves."""
    scheme = {"type": "http", "scheme": "bearer", "description": "The deployment's `PENSTOCK_ADMIN_TOKEN`."}
    api.spec.components.security_scheme("admin", scheme)
