"""Paths of other kinds of apps, which a client may try with a workflow app's key (api-contract.md section 2.19)."""

from __future__ import annotations

from flask import Response

from app.errors import APIError
from app.views.blueprint import APIBlueprint

blueprint = APIBlueprint("Other modes", __name__, url_prefix="/v1", description="Endpoints that a workflow app does not have.")


@blueprint.route("/chat-messages", methods=["POST"])
@blueprint.fails(400)
def send_chat_message() -> Response:
    """Always refused: no chat app"""
    raise APIError("not_chat_app")


@blueprint.route("/conversations")
@blueprint.fails(400)
def list_conversations() -> Response:
    """Always refused: no chat app"""
    raise APIError("not_chat_app")


@blueprint.route("/completion-messages", methods=["POST"])
@blueprint.fails(400)
def send_completion_message() -> Response:
    """Always refused: no completion app"""
    raise APIError("app_unavailable")
