"""`penstock apps env`: values for environment variables of an app, above all for the secrets that its export left out."""

from __future__ import annotations

import os
import sys

import click

from app.admin.environment import find_variable, list_variables, set_value
from app.cli.arguments import APP
from app.cli.output import print_json, print_table, time_text
from app.cli.settings import pass_config
from app.cli.storage import opened
from worker.config import Config
from worker.store import app_environment as stored_values
from worker.store import apps as stored_apps
from worker.store.sealing import Sealing

NAME = click.argument("name", metavar="NAME")

#: State of a variable -> how it is said to people.
STATES = {
    "set": "set here",
    "unreadable": "sealed, but its key is missing or another one",
    "document": "in the document",
    "missing": "missing",
}


@click.group()
def env() -> None:
    """Values for environment variables of an app, sealed in the database.

    They replace those of the document, in every version of the app that declares the NAME, from the next run on.
    """


@env.command("set")
@APP
@NAME
@click.option("--value", help="The value. Others on this machine may see it here: better type it when asked, or give it on stdin.")
@pass_config
def set_(config: Config, app: str, name: str, value: str | None) -> None:
    """Give a variable a value: it is asked for, or read from stdin."""
    with opened(config) as database:
        with database.read() as session:
            found = stored_apps.find_app(session, app)
            variable = find_variable(session, found, name)
        # Whoever has no key to seal with is told before he types the value.
        Sealing.provide(config)
        set_value(config, database, found, variable, _read_value(name, value))
    click.echo(f"{found.name}: {name} is set.")


def _read_value(name: str, given: str | None) -> str:
    """The option, else what is typed unseen, else standard input without the line break at its end."""
    if given is None and sys.stdin.isatty():
        given = str(click.prompt(f"Value of {name}", hide_input=True, err=True))
    raw = sys.stdin.buffer.read() if given is None else os.fsencode(given)
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        raise click.ClickException("The value is not UTF-8 text.") from None
    return text if given is not None else text.removesuffix("\n").removesuffix("\r")


@env.command("list")
@APP
@click.option("--json", "as_json", is_flag=True, help="One JSON line a variable.")
@pass_config
def list_(config: Config, app: str, as_json: bool) -> None:
    """The variables of the current version, where their values come from, and what is set beside them; never a value."""
    with opened(config) as database:
        rows = list_variables(config, database, app)
    if as_json:
        for row in rows:
            print_json(row)
    else:
        cells = ((row["name"], row["type"] or "not declared", STATES[row["state"]], time_text(row["updated_at"])) for row in rows)
        print_table(("Name", "Type", "Value", "Set"), cells)


@env.command()
@APP
@NAME
@pass_config
def unset(config: Config, app: str, name: str) -> None:
    """Forget the value of a variable: that of the document counts again."""
    with opened(config) as database, database.begin() as session:
        found = stored_apps.find_app(session, app)
        stored_values.unset_value(session, found.id, name)
    click.echo(f"{found.name}: {name} is not set any more.")
