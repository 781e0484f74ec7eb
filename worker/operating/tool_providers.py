"""Tool providers as operators register and see them; never with their headers."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from contextlib import closing
from typing import Any

from worker.config import Config
from worker.engine.errors import EngineError
from worker.operating.errors import Unusable
from worker.store import apps as stored_apps
from worker.store import tool_providers as stored
from worker.store.sealing import Sealing
from worker.store.session import Database
from worker.store.tool_providers import StoredProvider

MAX_NAME = 255
MAX_HEADERS = 50

#: RFC 9110, section 5.6.2.
HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


def add_api(
    config: Config, database: Database, name: str, document: Mapping[str, Any], server: str, headers: Mapping[str, str]
) -> list[str]:
    """Make each operation of an OpenAPI description a tool; answers their names. ``server``: base URL, empty for the description's.

    Raises ``Unusable``, ``EngineError`` for a description that cannot be used, ``SealError``.
    """
    from worker.tools.openapi import operations_of, server_of

    operations = operations_of(document, server)
    _keep(config, database, name, stored.API, {"document": document, "server": server or server_of(document)}, headers)
    return list(operations)


def add_mcp(config: Config, database: Database, name: str, url: str, headers: Mapping[str, str]) -> list[str]:
    """Make the tools of an MCP server tools here; the server is asked once which they are. Raises as ``add_api``."""
    from worker.outbound.client import GuardedClient

    with closing(GuardedClient(config.outbound_allow)) as http:
        found = _offered(url, dict(headers), http)
    _keep(config, database, name, stored.MCP, {"url": url, "tools": found}, headers)
    return [tool["name"] for tool in found]


def _offered(url: str, headers: dict[str, str], http: Any) -> list[dict[str, Any]]:
    from worker.engine.inbox import Inbox
    from worker.tools import mcp

    try:
        found = mcp.offered_by(url, headers, http, Inbox())
    except ModuleNotFoundError as error:
        raise Unusable(f"MCP needs a library that is not installed ({error.name}): install penstock[mcp].") from None
    mcp.tools_of({"url": url, "tools": found}, headers)
    return found


def add_workflow(database: Database, name: str, app: str) -> str:
    """Let a published app, by id or name, answer for the tools of a provider; answers the app's name. Raises ``NotFound``, ``Unusable``."""
    check_name(name)
    with database.begin() as session:
        found = stored_apps.find_app(session, app)
        stored.save_provider(session, StoredProvider(name, stored.WORKFLOW, {"app_id": found.id}, None))
        return found.name


def _keep(config: Config, database: Database, name: str, kind: str, definition: dict[str, Any], headers: Mapping[str, str]) -> None:
    check_name(name)
    check_headers(headers)
    sealed = Sealing.provide(config).seal(stored.SEALED_FOR, name, json.dumps(dict(headers))) if headers else None
    with database.begin() as session:
        stored.save_provider(session, StoredProvider(name, kind, definition, sealed))


def check_headers(headers: Mapping[str, str]) -> None:
    """Raises ``Unusable``, without a value: they are credentials."""
    if len(headers) > MAX_HEADERS:
        raise Unusable(f"headers must not have more than {MAX_HEADERS} entries.", "headers")
    for name, value in headers.items():
        if not HEADER_NAME.fullmatch(name):
            raise Unusable(f"headers has {name[:60]!r}, which is no name of a header.", "headers")
        if not value.isascii() or not value.isprintable():
            raise Unusable(f"headers.{name} has characters that HTTP cannot carry.", "headers")


def check_name(name: str) -> None:
    """Raises ``Unusable``."""
    if not name.strip() or len(name) > MAX_NAME:
        raise Unusable(f"The name of a tool provider must have 1 to {MAX_NAME} characters.", "name")


def remove_provider(database: Database, name: str) -> None:
    """Raises ``NotFound``."""
    with database.begin() as session:
        stored.remove_provider(session, name)


def facts(provider: StoredProvider) -> dict[str, Any]:
    return {"name": provider.name, "kind": provider.kind, "tools": tools_of(provider), "updated_at": provider.updated_at}


def tools_of(provider: StoredProvider) -> list[str]:
    """Names of its tools; none of a description that this release cannot read any more."""
    from worker.toolbox import described_tools

    if provider.kind == stored.WORKFLOW:
        return ["any"]
    try:
        return list(described_tools(provider, {}))
    except EngineError:
        return []


def built_in() -> list[dict[str, Any]]:
    """Facts of the providers that every deployment has."""
    from worker.tools.built_in import PROVIDERS

    return [{"name": name, "kind": "built in", "tools": list(names), "updated_at": None} for name, (_, names) in PROVIDERS.items()]
