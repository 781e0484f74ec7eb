"""`penstock keys`: API keys of an app."""

from __future__ import annotations

from typing import Any

import click

from app.admin.keys import make_key
from app.cli.arguments import APP
from app.cli.output import print_json, print_table, time_text
from app.cli.settings import pass_config
from app.cli.storage import opened
from worker.config import Config
from worker.store import apps as stored_apps
from worker.store import keys as stored_keys
from worker.store.models import ApiKey


@click.group()
def keys() -> None:
    """API keys of an app. APP is an app's id or name."""


@keys.command()
@APP
@click.option("--name", default="", help="To tell keys apart.")
@click.option("--token", help="Use this key, so that clients need no new one.")
@click.option("--json", "as_json", is_flag=True)
@pass_config
def create(config: Config, app: str, name: str, token: str | None, as_json: bool) -> None:
    """Make a key; it is shown this once."""
    with opened(config) as database, database.begin() as session:
        found = stored_apps.find_app(session, app)
        key, secret = make_key(session, found.id, name, token)
        facts = {"id": key.id, "app_id": found.id, "name": key.name, "api_key": secret}
    if as_json:
        print_json(facts)
    else:
        click.echo(secret)


@keys.command("list")
@APP
@click.option("--json", "as_json", is_flag=True, help="One JSON line a key.")
@pass_config
def list_(config: Config, app: str, as_json: bool) -> None:
    """Keys of an app; only their first characters are known."""
    with opened(config) as database, database.read() as session:
        found = [_facts(key) for key in stored_keys.list_keys(session, stored_apps.find_app(session, app).id)]
    if as_json:
        for facts in found:
            print_json(facts)
        return
    times = ("created_at", "last_used_at", "revoked_at")
    rows = ([facts["id"], facts["prefix"] + "...", facts["name"], *(time_text(facts[name]) for name in times)] for facts in found)
    print_table(("Id", "Key", "Name", "Made", "Last used", "Revoked"), rows)


def _facts(key: ApiKey) -> dict[str, Any]:
    return {name: getattr(key, name) for name in ("id", "prefix", "name", "created_at", "last_used_at", "revoked_at")}


@keys.command()
@APP
@click.argument("key", metavar="KEY")
@pass_config
def revoke(config: Config, app: str, key: str) -> None:
    """Make a key useless, at once: KEY is its id, its first characters, or the key itself."""
    with opened(config) as database, database.begin() as session:
        found = stored_apps.find_app(session, app)
        prefix = stored_keys.revoke_key(session, found.id, key).prefix
    click.echo(f"{prefix}... is revoked.")
