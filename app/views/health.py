"""What balancers and people ask first: is it there, can it serve (api-contract.md section 2.18 f., reliability.md section 1.15)."""

from __future__ import annotations

import os
from typing import Any

from flask import Response, jsonify

from app.parts import current_parts
from app.schemas.health import Health, Index, Liveness, Readiness
from app.views.blueprint import APIBlueprint

blueprint = APIBlueprint("Health", __name__, is_open=True, description="No key needed.")


@blueprint.route("/v1/")
@blueprint.fails()
@blueprint.response(200, Index)
def show_index() -> dict[str, str]:
    """What answers here"""
    return index()


@blueprint.route("/v1")
@blueprint.fails()
@blueprint.response(200, Index)
def show_index_without_slash() -> dict[str, str]:
    """The same, for clients that strip the slash"""
    return index()


def index() -> dict[str, str]:
    return {"welcome": "Penstock Workflow App API", "api_version": "v1", "server_version": current_parts().api.announced_version}


@blueprint.route("/health")
@blueprint.fails()
@blueprint.response(200, Health)
def show_health() -> dict[str, Any]:
    """The process answers; the form that Dify's probes expect"""
    return {"status": "ok", "version": current_parts().api.announced_version, "pid": os.getpid()}


@blueprint.route("/healthz/live")
@blueprint.fails()
@blueprint.response(200, Liveness)
def show_liveness() -> dict[str, str]:
    """The process answers; it looks at nothing else"""
    return {"status": "ok"}


@blueprint.route("/healthz/ready")
@blueprint.fails(503)
@blueprint.response(200, Readiness)
def show_readiness() -> Response:
    """Database, schema and Redis answer, and the process is not about to end; else 503"""
    parts = current_parts()
    found = parts.readiness.look()
    is_draining = parts.streams.is_draining
    is_ready = not is_draining and all(state == "ok" for state in found.values())
    status = "ok" if is_ready else "draining" if is_draining else "unavailable"
    answer = jsonify({"status": status, **found})
    answer.status_code = 200 if is_ready else 503
    return answer
