"""What workflows may call as tools besides what is built in."""

from __future__ import annotations

from typing import Any

from flask import Response

from app.errors import invalid_param
from app.parts import Parts, current_parts
from app.schemas.admin import PageQuery
from app.schemas.admin_access import ToolProviderFacts, ToolProviderOrder, ToolProviderPage
from app.views.admin.blueprint import AdminBlueprint, body_of, keys_of, no_content, page_body, query_of
from worker.operating import tool_providers as operating
from worker.store.listings import page_tool_providers
from worker.store.tool_providers import find_providers, provider_of

blueprint = AdminBlueprint("tool providers", __name__, "APIs, MCP servers and apps as tools. Headers are kept sealed and never shown.")

#: Field that an order of each kind needs.
NEEDED = {"api": "document", "mcp": "url", "workflow": "app"}


@blueprint.route("/tool-providers")
@blueprint.fails()
@blueprint.response(200, ToolProviderPage)
@blueprint.asks({"in": "query", "schema": PageQuery})
def list_tool_providers() -> dict[str, Any]:
    """List registered providers, by name"""
    asked = query_of(PageQuery)
    with current_parts().database.read() as session:
        page = page_tool_providers(session, keys_of(asked, str), asked["limit"])
    return page_body(page, lambda row: operating.facts(provider_of(row)))


@blueprint.route("/tool-providers/<path:name>", methods=["PUT"])
@blueprint.fails(404, 409, 413, 415)
@blueprint.response(200, ToolProviderFacts)
@blueprint.takes(ToolProviderOrder)
def set_tool_provider(name: str) -> dict[str, Any]:
    """Register a provider, in place of an earlier one of its name"""
    parts = current_parts()
    register(parts, name, body_of(ToolProviderOrder))
    with parts.database.read() as session:
        return operating.facts(find_providers(session, [name])[name])


def register(parts: Parts, name: str, order: dict[str, Any]) -> None:
    needed = NEEDED[order["kind"]]
    if not order[needed]:
        raise invalid_param(f"{needed} is required for a provider of the kind '{order['kind']}'.", needed)
    if order["kind"] == "api":
        operating.add_api(parts.config, parts.database, name, order["document"], order["server"], order["headers"])
    elif order["kind"] == "mcp":
        operating.add_mcp(parts.config, parts.database, name, order["url"], order["headers"])
    else:
        operating.add_workflow(parts.database, name, order["app"])


@blueprint.route("/tool-providers/<path:name>", methods=["DELETE"])
@blueprint.fails(404)
@blueprint.response(204)
def remove_tool_provider(name: str) -> Response:
    """Forget a registered provider"""
    operating.remove_provider(current_parts().database, name)
    return no_content()
