"""Headers that every answer carries: versions, and cross-origin access without credentials (api-contract.md sections 1.4, 1.5)."""

from __future__ import annotations

from importlib.metadata import version

from flask import Flask, Response, request

from app.config import ApiConfig

METHODS = "DELETE, GET, OPTIONS, PATCH, POST, PUT"
EXPOSED = "X-Env, X-Trace-Id, X-Version"
#: Lower-case name -> name: the request headers that a page may send.
ALLOWED = {
    name.lower(): name
    for name in (
        "Accept",
        "Authorization",
        "Content-Type",
        "Idempotency-Key",
        "Last-Event-ID",
        "Traceparent",
        "X-App-Code",
        "X-App-Passport",
        "X-Dify-Compat",
        "X-Trace-Id",
    )
}


def register_headers(app: Flask, config: ApiConfig) -> None:
    product_version = version("penstock")

    @app.after_request
    def add_headers(response: Response) -> Response:
        response.headers["X-Version"] = config.announced_version
        response.headers["X-Env"] = config.environment
        response.headers["X-Penstock-Version"] = product_version
        _allow_origin(response)
        if request.method == "OPTIONS":
            _answer_options(response)
        return response


def _allow_origin(response: Response) -> None:
    origin = request.headers.get("Origin")
    response.headers["Access-Control-Allow-Origin"] = origin or "*"
    response.headers["Access-Control-Expose-Headers"] = EXPOSED
    if origin:
        response.vary.add("Origin")


def _answer_options(response: Response) -> None:
    """A preflight learns the methods, and those of the headers it asked for that are allowed."""
    if "Access-Control-Request-Method" not in request.headers:
        return
    asked = request.headers.get("Access-Control-Request-Headers", "").split(",")
    granted = sorted(ALLOWED[name.strip().lower()] for name in asked if name.strip().lower() in ALLOWED)
    response.headers["Access-Control-Allow-Methods"] = METHODS
    if granted:
        response.headers["Access-Control-Allow-Headers"] = ", ".join(granted)
