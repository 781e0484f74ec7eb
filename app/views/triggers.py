"""Addresses of webhook triggers: no key, who knows the address may begin a run (nodes.md section 6.21)."""

from __future__ import annotations

from flask import Response, request

from app.parts import current_parts
from app.views.blueprint import APIBlueprint
from app.webhook_calls import accept_call

blueprint = APIBlueprint("Triggers", __name__, is_open=True, description="Addresses at which other services begin runs, without a key.")


@blueprint.route("/triggers/webhook/<token>", methods=["GET", "POST", "PUT", "PATCH", "DELETE"])
@blueprint.fails(400, 403, 404, 405, 413, 415, 429, 503)
@blueprint.alt_response(200, content_type="application/json", schema={}, description="Status and body as the trigger says.", success=True)
def call_webhook(token: str) -> Response:
    """Begin a run at a webhook trigger

    Answers at once, without waiting for the run. Method, content type, headers, parameters and body are those that the trigger's node
    declares.
    """
    return accept_call(current_parts(), token, request)
