"""Whom workflows ask for models, and with which key."""

from __future__ import annotations

import os
from typing import Any

from flask import Response

from app.parts import current_parts
from app.schemas.admin import PageQuery
from app.schemas.admin_access import KnownProviders, ModelProviderFacts, ModelProviderOrder, ModelProviderPage
from app.views.admin.blueprint import AdminBlueprint, body_of, keys_of, no_content, page_body, query_of
from worker.operating import model_providers as operating
from worker.operating.model_providers import ProviderSettings
from worker.store.listings import page_model_providers
from worker.store.model_providers import find_provider

blueprint = AdminBlueprint("model providers", __name__, "Whom workflows ask for models. Keys are kept sealed and never shown.")


@blueprint.route("/model-providers")
@blueprint.fails()
@blueprint.response(200, ModelProviderPage)
@blueprint.asks({"in": "query", "schema": PageQuery})
def list_model_providers() -> dict[str, Any]:
    """List providers, by name; those of this process's environment stand at the end of the last page"""
    asked = query_of(PageQuery)
    with current_parts().database.read() as session:
        page = page_model_providers(session, keys_of(asked, str), asked["limit"])
    body = page_body(page, operating.from_store)
    return body if page.next is not None else {**body, "data": [*body["data"], *operating.from_environment(os.environ)]}


@blueprint.route("/known-model-providers")
@blueprint.fails()
@blueprint.response(200, KnownProviders)
def list_known_model_providers() -> dict[str, Any]:
    """The names that need no address"""
    return {"data": operating.known_providers()}


@blueprint.route("/model-providers/<path:name>", methods=["PUT"])
@blueprint.fails(409, 413, 415)
@blueprint.response(200, ModelProviderFacts)
@blueprint.takes(ModelProviderOrder)
def set_model_provider(name: str) -> dict[str, Any]:
    """Configure a provider, in place of an earlier one of its name"""
    parts = current_parts()
    configured = operating.configure_provider(parts.config, parts.database, ProviderSettings(name, **body_of(ModelProviderOrder)))
    with parts.database.read() as session:
        return operating.from_store(find_provider(session, configured))


@blueprint.route("/model-providers/<path:name>", methods=["DELETE"])
@blueprint.fails(404)
@blueprint.response(204)
def remove_model_provider(name: str) -> Response:
    """Forget a stored provider with its key"""
    operating.remove_provider(current_parts().database, name)
    return no_content()
