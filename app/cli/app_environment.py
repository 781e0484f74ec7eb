"""`penstock apps env`: values for environment variables of an app, above all for the secrets that its export left out."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from typing import Any

import click
from sqlalchemy.orm import Session

from app.cli.arguments import APP
from app.cli.output import print_json, print_table, time_text
from app.cli.settings import pass_config
from app.cli.storage import opened
from worker.config import Config
from worker.engine.environment import check_text, read_environment
from worker.engine.findings import Findings
from worker.engine.workflow import EnvironmentVariable
from worker.store import app_environment as stored_values
from worker.store import apps as stored_apps
from worker.store.encoding import loads
from worker.store.errors import SealError
from worker.store.models import App, AppEnvironment
from worker.store.sealed_documents import open_document, sealed_paths
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
            variable = _find_variable(session, found, name)
        sealing = Sealing.provide(config)
        text = _read_value(name, value)
        check_text(variable, text, config.limits.max_variable_size)
        with database.begin() as session:
            stored_values.set_value(session, found.id, name, sealing.seal(found.id, name, text))
    click.echo(f"{found.name}: {name} is set.")


def _find_variable(session: Session, app: App, name: str) -> EnvironmentVariable:
    """What the current version says of a variable, else the newest one that declares it."""
    versions = sorted(stored_apps.list_versions(session, app.id), key=lambda version: version.id != app.workflow_id)
    declared: dict[str, EnvironmentVariable] = {}
    for version in versions:
        declared = {**_declared(loads(version.document)), **declared}
    if name not in declared:
        raise click.ClickException(
            f"No version of {app.name} declares the environment variable {name!r}; declared are: {', '.join(declared) or 'none'}."
        )
    return declared[name]


def _declared(document: Mapping[str, Any]) -> dict[str, EnvironmentVariable]:
    variables = document.get("workflow", {}).get("environment_variables")
    return {variable.name: variable for variable in read_environment(variables, Findings())}


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
    with opened(config) as database, database.read() as session:
        found = stored_apps.find_app(session, app)
        current = stored_apps.load_version(session, found.workflow_id) if found.workflow_id else None
        values = {row.name: row for row in stored_values.list_values(session, found.id)}
    document = loads(current.document) if current else {}
    declared, states = _declared(document), _states_in(document, found.id, config)
    names = [*declared, *(name for name in values if name not in declared)]
    rows = [_facts(config, name, declared.get(name), values.get(name), states) for name in names]
    if as_json:
        for row in rows:
            print_json(row)
    else:
        cells = ((row["name"], row["type"] or "not declared", STATES[row["state"]], time_text(row["updated_at"])) for row in rows)
        print_table(("Name", "Type", "Value", "Set"), cells)


def _states_in(document: Mapping[str, Any], app_id: str, config: Config) -> dict[str, str]:
    """State of each variable that a stored document declares, by its name, as far as the document gives it a value."""
    variables = document.get("workflow", {}).get("environment_variables")
    sealed = {variables[path[2]]["name"] for path in sealed_paths(document) if path[:2] == ("workflow", "environment_variables")}
    state = "document" if _opens(document, app_id, config) else "unreadable"
    return {
        name: state if name in sealed else "missing" if variable.type == "secret" and not variable.value else "document"
        for name, variable in _declared(document).items()
    }


def _opens(document: Mapping[str, Any], app_id: str, config: Config) -> bool:
    try:
        open_document(app_id, document, config)
    except SealError:
        return False
    return True


def _facts(
    config: Config, name: str, variable: EnvironmentVariable | None, row: AppEnvironment | None, in_document: Mapping[str, str]
) -> dict[str, Any]:
    """``type`` is None for a name that only other versions declare, ``updated_at`` for one that is not set here."""
    state = in_document[name] if row is None else "set" if _can_be_opened(config, row) else "unreadable"
    return {"name": name, "type": variable and variable.type, "state": state, "updated_at": row and row.updated_at}


def _can_be_opened(config: Config, row: AppEnvironment) -> bool:
    try:
        Sealing.find(config).open(row.app_id, row.name, row.value)
    except SealError:
        return False
    return True


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
