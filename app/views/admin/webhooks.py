"""Who is told of the runs of apps."""

from __future__ import annotations

from typing import Any

from flask import Response

from app.admin.webhooks import add_endpoint, endpoint_facts
from app.errors import APIError
from app.parts import current_parts
from app.schemas.admin_access import NewWebhook, WebhookOrder, WebhookPage, WebhooksQuery
from app.views.admin.blueprint import AdminBlueprint, body_of, keys_of, no_content, page_body, query_of
from worker.store.apps import find_app
from worker.store.identifiers import canonical_id
from worker.store.listings import page_webhooks
from worker.store.webhooks import remove_endpoint

blueprint = AdminBlueprint("webhooks", __name__, "Who is told of the runs of apps. A secret is shown when it is made, and never again.")


@blueprint.route("/webhooks")
@blueprint.fails(404)
@blueprint.response(200, WebhookPage)
@blueprint.asks({"in": "query", "schema": WebhooksQuery})
def list_webhooks() -> dict[str, Any]:
    """List endpoints, oldest first"""
    asked = query_of(WebhooksQuery)
    with current_parts().database.read() as session:
        app_id = None if asked["app"] is None else find_app(session, asked["app"]).id
        return page_body(page_webhooks(session, app_id, keys_of(asked, float, str), asked["limit"]), endpoint_facts)


@blueprint.route("/apps/<app>/webhooks", methods=["POST"])
@blueprint.fails(404, 409, 413, 415)
@blueprint.response(201, NewWebhook)
@blueprint.takes(WebhookOrder)
def add_webhook(app: str) -> dict[str, Any]:
    """Tell an address of every run of an app

    An endpoint that is there already gets a new secret and, if it was disabled, messages again.
    """
    parts = current_parts()
    order = body_of(WebhookOrder)
    with parts.database.read() as session:
        app_id = find_app(session, app).id
    return add_endpoint(parts.config, parts.database, app_id, order["url"], order["events"])


@blueprint.route("/apps/<app>/webhooks/<webhook_id>", methods=["DELETE"])
@blueprint.fails(404)
@blueprint.response(204)
def remove_webhook(app: str, webhook_id: str) -> Response:
    """Forget an endpoint and its messages, those on their way too"""
    wanted = canonical_id(webhook_id)
    if wanted is None:
        raise APIError("not_found", "No webhook of this app goes by that id.")
    with current_parts().database.begin() as session:
        remove_endpoint(session, find_app(session, app).id, wanted)
    return no_content()
