"""`penstock tools`: what workflows may call as tools besides what is built in."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import click

from app.cli.output import print_json, print_table, time_text
from app.cli.settings import pass_config
from app.cli.storage import opened
from app.documents import read_document
from worker.config import Config
from worker.engine.inbox import Inbox
from worker.outbound.client import GuardedClient
from worker.store import apps as stored_apps
from worker.store import tool_providers as stored
from worker.store.sealing import Sealing
from worker.store.tool_providers import StoredProvider
from worker.toolbox import described_tools
from worker.tools import mcp
from worker.tools.built_in import PROVIDERS
from worker.tools.openapi import operations_of, server_of

NAME = click.argument("name", metavar="NAME")
HEADERS = click.option(
    "--header",
    "headers",
    multiple=True,
    metavar="NAME[: VALUE]",
    help="Sent with each call, kept sealed. Without a value it is asked for, or read from stdin: then no list of processes shows it.",
)


@click.group()
def tools() -> None:
    """What workflows may call as tools besides what is built in.

    NAME is the provider's id or name in documents, or the last part of its id. A registered provider comes before a built-in one.
    """


@tools.command("add-api")
@NAME
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--server", default="", metavar="URL", help="Base URL of the API; by default that of the description.")
@HEADERS
@pass_config
def add_api(config: Config, name: str, file: Path, server: str, headers: Sequence[str]) -> None:
    """Make each operation of an OpenAPI description (FILE, JSON or YAML) a tool of its operationId."""
    document = described(file)
    operations = operations_of(document, server)
    definition = {"document": document, "server": server or server_of(document)}
    keep(config, name, stored.API, definition, dict(header_of(header) for header in headers))
    click.echo(f"{name}: {', '.join(operations)}")


@tools.command("add-mcp")
@NAME
@click.argument("url")
@HEADERS
@pass_config
def add_mcp(config: Config, name: str, url: str, headers: Sequence[str]) -> None:
    """Make the tools of an MCP server (URL, streamable HTTP) tools here; the server is asked once which they are."""
    pairs = dict(header_of(header) for header in headers)
    with closing(GuardedClient(config.outbound_allow)) as http:
        found = offered(url, pairs, http)
    keep(config, name, stored.MCP, {"url": url, "tools": found}, pairs)
    click.echo(f"{name}: {', '.join(tool['name'] for tool in found)}")


def offered(url: str, headers: dict[str, str], http: GuardedClient) -> list[dict[str, Any]]:
    try:
        found = mcp.offered_by(url, headers, http, Inbox())
    except ModuleNotFoundError as error:
        raise click.ClickException(f"MCP needs a library that is not installed ({error.name}): install penstock[mcp].") from None
    mcp.tools_of({"url": url, "tools": found}, headers)
    return found


def keep(config: Config, name: str, kind: str, definition: dict[str, Any], headers: dict[str, str]) -> None:
    with opened(config) as database:
        sealed = Sealing.provide(config).seal(stored.SEALED_FOR, name, json.dumps(headers)) if headers else None
        with database.begin() as session:
            stored.save_provider(session, StoredProvider(name, kind, definition, sealed))


def described(file: Path) -> dict[str, Any]:
    """JSON is read as such: it may have escapes that YAML does not know."""
    try:
        found = json.loads(file.read_bytes()) if file.suffix == ".json" else None
    except ValueError as error:
        raise click.ClickException(f"{file}: {error}") from None
    return found if isinstance(found, dict) else read_document(file)


def header_of(text: str) -> tuple[str, str]:
    name, colon, value = text.partition(":")
    if not name.strip() or not name.isascii():
        raise click.UsageError(f"--header {text!r} is not of the form 'NAME: VALUE'.")
    if not colon:
        value = asked(name.strip())
    return name.strip(), value.strip()


def asked(name: str) -> str:
    """Typed unseen, or a line of standard input."""
    return str(click.prompt(f"Value of {name}", hide_input=True, err=True)) if sys.stdin.isatty() else sys.stdin.readline()


@tools.command("add-workflow")
@NAME
@click.argument("app")
@pass_config
def add_workflow(config: Config, name: str, app: str) -> None:
    """Let a published app (APP, its id or name) answer for the tools of a provider; its inputs are their parameters."""
    with opened(config) as database, database.begin() as session:
        found = stored_apps.find_app(session, app)
        stored.save_provider(session, StoredProvider(name, stored.WORKFLOW, {"app_id": found.id}, None))
        sentence = f"{name}: calls of its tools run {found.name}."
    click.echo(sentence)


@tools.command("list")
@click.option("--json", "as_json", is_flag=True, help="One JSON line a provider.")
@pass_config
def list_(config: Config, as_json: bool) -> None:
    """All providers with their tools: registered ones, then those built in."""
    with opened(config) as database, database.read() as session:
        registered = stored.list_providers(session)
    rows = [facts_of(provider) for provider in registered]
    rows += [{"name": name, "kind": "built in", "tools": list(names), "updated_at": None} for name, (_, names) in PROVIDERS.items()]
    if as_json:
        for row in rows:
            print_json(row)
    else:
        cells = ((row["name"], row["kind"], ", ".join(row["tools"]), time_text(row["updated_at"])) for row in rows)
        print_table(("Provider", "Kind", "Tools", "Set"), cells)


def facts_of(provider: StoredProvider) -> dict[str, Any]:
    return {"name": provider.name, "kind": provider.kind, "tools": tools_of(provider), "updated_at": provider.updated_at}


def tools_of(provider: StoredProvider) -> list[str]:
    if provider.kind == stored.WORKFLOW:
        return ["any"]
    return list(described_tools(provider, {}))


@tools.command()
@NAME
@pass_config
def remove(config: Config, name: str) -> None:
    """Forget a registered provider."""
    with opened(config) as database, database.begin() as session:
        stored.remove_provider(session, name)
    click.echo(f"{name} is removed.")
