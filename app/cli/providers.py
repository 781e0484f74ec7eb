"""`penstock providers`: whom workflows ask for models, and with which key."""

from __future__ import annotations

import os
import sys
from typing import Any

import click

from app.cli.output import print_json, print_table, time_text
from app.cli.settings import pass_config
from app.cli.storage import opened
from worker.config import Config
from worker.llm.catalog import CLIENT_TYPES, canonical, entry_of
from worker.operating.errors import Unusable
from worker.operating.model_providers import (
    ProviderSettings,
    check_address,
    configure_provider,
    from_environment,
    from_store,
    known_providers,
    remove_provider,
)
from worker.store import model_providers as stored


@click.group()
def providers() -> None:
    """Whom workflows ask for models, and with which key.

    NAME is the provider's in documents, or the last part of it: `openai`, `ollama`, `langgenius/deepseek/deepseek` ... `default` serves
    every provider that is not configured itself.
    """


@providers.command()
@click.argument("name", metavar="NAME")
@click.option("--type", "kind", type=click.Choice(CLIENT_TYPES), help="How it is spoken to. By default as known for the NAME.")
@click.option("--base-url", default="", metavar="URL", help="By default the public address of the NAME. Any is allowed, a private one too.")
@click.option("--api-key", help="Others on this machine may see it here: better type it when asked, or give it on stdin.")
@click.option("--no-key", is_flag=True, help="It wants no key.")
@click.option("--api-version", default="", help="Of Azure only.")
@pass_config
def add(config: Config, name: str, kind: str | None, base_url: str, api_key: str | None, no_key: bool, api_version: str) -> None:
    """Configure a provider, in place of an earlier one of its name; the key is asked for, or read from stdin."""
    entry = entry_of(name)
    try:
        check_address(base_url or entry.base_url, name)
        key = "" if no_key or (api_key is None and entry.is_local) else read_key(canonical(name), api_key)
        with opened(config) as database:
            found = configure_provider(config, database, ProviderSettings(name, kind or "", base_url, key, api_version))
    except Unusable as error:
        raise click.UsageError(str(error).replace("base_url", "--base-url").replace("api_version", "--api-version")) from error
    click.echo(f"{found} is configured.")


def read_key(name: str, given: str | None) -> str:
    """The option, else what is typed unseen, else standard input."""
    if given is None and sys.stdin.isatty():
        given = str(click.prompt(f"API key of {name}", hide_input=True, err=True))
    key = (sys.stdin.read() if given is None else given).strip()
    if not key:
        raise click.UsageError("The key is empty: give --no-key if the provider wants none.")
    return key


@providers.command("list")
@click.option("--json", "as_json", is_flag=True, help="One JSON line a provider.")
@pass_config
def list_(config: Config, as_json: bool) -> None:
    """The providers that are configured, stored or by environment; never a key."""
    with opened(config) as database, database.read() as session:
        rows = [from_store(row) for row in stored.list_providers(session)]
    rows += from_environment(os.environ)
    if as_json:
        for row in rows:
            print_json(row)
    else:
        cells = ((row["name"], row["type"], row["base_url"], "yes" if row["has_key"] else "no", source_of(row)) for row in rows)
        print_table(("Provider", "Type", "Base URL", "Key", "Set"), cells)


def source_of(row: dict[str, Any]) -> str:
    return "environment" if row["source"] == "environment" else time_text(row["updated_at"])


@providers.command()
@click.argument("name", metavar="NAME")
@pass_config
def remove(config: Config, name: str) -> None:
    """Forget a stored provider with its key."""
    with opened(config) as database:
        found = remove_provider(database, name)
    click.echo(f"{found} is removed.")


@providers.command()
def known() -> None:
    """The names with a public address of their own."""
    print_table(("Provider", "Type", "Base URL"), ((row["name"], row["type"], row["base_url"] or "(yours)") for row in known_providers()))
