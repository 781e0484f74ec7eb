"""`penstock apps alias`: names of published versions, which clients run and operators move."""

from __future__ import annotations

import click

from app.admin.releases import point_alias
from app.cli.arguments import APP
from app.cli.output import print_json, print_table, time_text
from app.cli.settings import pass_config
from app.cli.storage import opened
from worker.config import Config
from worker.store import apps as stored_apps
from worker.store import releases

NAME = click.argument("name", metavar="NAME")


@click.group()
def alias() -> None:
    """Names of published versions, such as `production`: `POST /v1/workflows/NAME/run` runs what NAME stands for."""


@alias.command("set")
@APP
@NAME
@click.argument("version", default=releases.CURRENT)
@pass_config
def set_(config: Config, app: str, name: str, version: str) -> None:
    """Let NAME stand for VERSION: its id, its time, another alias, or `current`, which is the default."""
    with opened(config) as database, database.begin() as session:
        found = stored_apps.find_app(session, app)
        _, chosen = point_alias(session, found, name, version)
        sentence = f"{found.name}: {name} is version {chosen.version}."
    click.echo(sentence)


@alias.command("list")
@APP
@click.option("--json", "as_json", is_flag=True, help="One JSON line an alias.")
@pass_config
def list_(config: Config, app: str, as_json: bool) -> None:
    """The aliases of an app, and what they stand for."""
    with opened(config) as database, database.read() as session:
        found = releases.list_aliases(session, stored_apps.find_app(session, app).id)
    if as_json:
        for one in found:
            print_json({"name": one.name, "workflow_id": one.workflow_id, "version": one.version, "updated_at": one.updated_at})
    else:
        rows = ((one.name, one.version, one.workflow_id, time_text(one.updated_at)) for one in found)
        print_table(("Alias", "Version", "Workflow", "Set"), rows)


@alias.command()
@APP
@NAME
@pass_config
def remove(config: Config, app: str, name: str) -> None:
    """Forget an alias; the version stays."""
    with opened(config) as database, database.begin() as session:
        found = stored_apps.find_app(session, app)
        releases.remove_alias(session, found.id, name)
    click.echo(f"{found.name}: {name} is removed.")
