"""`penstock tools`: what workflows may call as tools besides what is built in."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from app.cli.output import print_json, print_table, time_text
from app.cli.settings import pass_config
from app.cli.storage import opened
from app.documents import read_document
from worker.config import Config
from worker.operating import tool_providers
from worker.store import tool_providers as stored

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
    pairs = dict(header_of(header) for header in headers)
    with opened(config) as database:
        operations = tool_providers.add_api(config, database, name, document, server, pairs)
    click.echo(f"{name}: {', '.join(operations)}")


@tools.command("add-mcp")
@NAME
@click.argument("url")
@HEADERS
@pass_config
def add_mcp(config: Config, name: str, url: str, headers: Sequence[str]) -> None:
    """Make the tools of an MCP server (URL, streamable HTTP) tools here; the server is asked once which they are."""
    pairs = dict(header_of(header) for header in headers)
    with opened(config) as database:
        names = tool_providers.add_mcp(config, database, name, url, pairs)
    click.echo(f"{name}: {', '.join(names)}")


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
    with opened(config) as database:
        found = tool_providers.add_workflow(database, name, app)
    click.echo(f"{name}: calls of its tools run {found}.")


@tools.command("list")
@click.option("--json", "as_json", is_flag=True, help="One JSON line a provider.")
@pass_config
def list_(config: Config, as_json: bool) -> None:
    """All providers with their tools: registered ones, then those built in."""
    with opened(config) as database, database.read() as session:
        registered = stored.list_providers(session)
    rows = [*map(tool_providers.facts, registered), *tool_providers.built_in()]
    if as_json:
        for row in rows:
            print_json(row)
    else:
        cells = ((row["name"], row["kind"], ", ".join(row["tools"]), time_text(row["updated_at"])) for row in rows)
        print_table(("Provider", "Kind", "Tools", "Set"), cells)


@tools.command()
@NAME
@pass_config
def remove(config: Config, name: str) -> None:
    """Forget a registered provider."""
    with opened(config) as database:
        tool_providers.remove_provider(database, name)
    click.echo(f"{name} is removed.")
