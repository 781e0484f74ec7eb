"""`penstock providers`: whom workflows ask for models, and with which key."""

from __future__ import annotations

import os
import sys
from typing import Any
from urllib.parse import urlsplit

import click

from app.cli.output import print_json, print_table, time_text
from app.cli.settings import pass_config
from app.cli.storage import opened
from worker.config import Config
from worker.llm.catalog import CATALOG, CLIENT_TYPES, canonical, entry_of
from worker.llm.providers import Provider, environment_providers
from worker.store import model_providers as stored
from worker.store.model_providers import StoredModelProvider
from worker.store.sealing import Sealing


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
    found, entry = canonical(name), entry_of(name)
    check_address(base_url or entry.base_url, name)
    key = "" if no_key or (api_key is None and entry.is_local) else read_key(found, api_key)
    with opened(config) as database:
        sealed = Sealing.provide(config).seal(stored.SEALED_FOR, found, key) if key else None
        with database.begin() as session:
            stored.save_provider(session, StoredModelProvider(found, kind or "", base_url, sealed, api_version))
    click.echo(f"{found} is configured.")


def check_address(base_url: str, name: str) -> None:
    parts = urlsplit(base_url)
    if not base_url:
        raise click.UsageError(f"The provider {name} has no public address: give it with --base-url.")
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise click.UsageError(f"--base-url {base_url!r} must start with http:// or https:// and name a host.")


def read_key(name: str, given: str | None) -> str:
    """The option, else what is typed unseen, else standard input."""
    if given is None and sys.stdin.isatty():
        given = str(click.prompt(f"API key of {name}", hide_input=True, err=True))
    key = (sys.stdin.read() if given is None else given).strip()
    if not key:
        raise click.UsageError("The key is empty: give --no-key if the provider wants none.")
    if not key.isascii() or not key.isprintable():
        raise click.UsageError("The key has characters that HTTP cannot carry.")
    return key


@providers.command("list")
@click.option("--json", "as_json", is_flag=True, help="One JSON line a provider.")
@pass_config
def list_(config: Config, as_json: bool) -> None:
    """The providers that are configured, stored or by environment; never a key."""
    with opened(config) as database, database.read() as session:
        rows = [from_store(row) for row in stored.list_providers(session)]
    rows += [from_environment(provider) for provider in environment_providers(os.environ).values()]
    if as_json:
        for row in rows:
            print_json(row)
    else:
        cells = ((row["name"], row["type"], row["base_url"], "yes" if row["has_key"] else "no", source_of(row)) for row in rows)
        print_table(("Provider", "Type", "Base URL", "Key", "Set"), cells)


def facts(name: str, source: str, kind: str, base_url: str, has_key: bool, updated_at: float | None) -> dict[str, Any]:
    """``updated_at`` is None for what the environment says."""
    entry = entry_of(name)
    address = base_url or entry.base_url
    return {"name": name, "type": kind or entry.type, "base_url": address, "has_key": has_key, "source": source, "updated_at": updated_at}


def from_store(row: StoredModelProvider) -> dict[str, Any]:
    return facts(row.name, "stored", row.type, row.base_url, row.api_key is not None, row.updated_at)


def from_environment(provider: Provider) -> dict[str, Any]:
    return facts(provider.name, "environment", provider.type, provider.base_url, bool(provider.api_key), None)


def source_of(row: dict[str, Any]) -> str:
    return "environment" if row["source"] == "environment" else time_text(row["updated_at"])


@providers.command()
@click.argument("name", metavar="NAME")
@pass_config
def remove(config: Config, name: str) -> None:
    """Forget a stored provider with its key."""
    found = canonical(name)
    with opened(config) as database, database.begin() as session:
        stored.remove_provider(session, found)
    click.echo(f"{found} is removed.")


@providers.command()
def known() -> None:
    """The names with a public address of their own."""
    print_table(("Provider", "Type", "Base URL"), ((name, entry.type, entry.base_url or "(yours)") for name, entry in CATALOG.items()))
