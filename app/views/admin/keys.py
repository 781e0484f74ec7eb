"""API keys of an app."""

from __future__ import annotations

from typing import Any

from app.admin.keys import make_key
from app.errors import APIError
from app.parts import current_parts
from app.schemas.admin import PageQuery
from app.schemas.admin_access import KeyFacts, KeyOrder, KeyPage, NewKey
from app.views.admin.blueprint import AdminBlueprint, body_of, keys_of, page_body, query_of
from worker.store.apps import find_app
from worker.store.identifiers import canonical_id
from worker.store.keys import revoke_key as revoke
from worker.store.listings import page_keys
from worker.store.models import ApiKey

blueprint = AdminBlueprint("keys", __name__, "API keys of an app. A key is shown when it is made, and never again.")


@blueprint.route("/apps/<app>/keys")
@blueprint.fails(404)
@blueprint.response(200, KeyPage)
@blueprint.asks({"in": "query", "schema": PageQuery})
def list_keys(app: str) -> dict[str, Any]:
    """List keys, revoked ones too, oldest first"""
    asked = query_of(PageQuery)
    with current_parts().database.read() as session:
        return page_body(page_keys(session, find_app(session, app).id, keys_of(asked, float, str), asked["limit"]))


@blueprint.route("/apps/<app>/keys", methods=["POST"])
@blueprint.fails(404, 413, 415)
@blueprint.response(201, NewKey)
@blueprint.takes(KeyOrder)
def create_key(app: str) -> dict[str, Any]:
    """Make a key; it is shown this once"""
    order = body_of(KeyOrder)
    with current_parts().database.begin() as session:
        found = find_app(session, app)
        key, token = make_key(session, found.id, order["name"], order["token"])
        return {"id": key.id, "app_id": found.id, "name": key.name, "api_key": token}


@blueprint.route("/apps/<app>/keys/<key_id>", methods=["DELETE"])
@blueprint.fails(404)
@blueprint.response(200, KeyFacts)
def revoke_key(app: str, key_id: str) -> ApiKey:
    """Make a key useless, from the next request on"""
    # Only by its id: a key itself must not stand in a path, which proxies log.
    wanted = canonical_id(key_id)
    if wanted is None:
        raise APIError("not_found", "No key of this app goes by that id.")
    with current_parts().database.begin() as session:
        return revoke(session, find_app(session, app).id, wanted)
