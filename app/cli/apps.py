"""`penstock apps`: import, publish and look after apps."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import click

from app.admin.apps import Publishing, remove_app, roll_back
from app.cli.aliases import alias
from app.cli.app_environment import env
from app.cli.arguments import APP
from app.cli.failures import say, sentence_of
from app.cli.output import print_json, print_table, time_text
from app.cli.settings import pass_config
from app.cli.storage import opened
from app.cli.tool_check import known_tools
from app.cli.trying import try_
from app.documents import DocumentError, read_document
from app.publish import Check, Imported, ToolCheck, check_document
from worker.config import Config
from worker.engine.errors import Finding, GraphError
from worker.nodes.registry import Registry
from worker.store import apps as stored_apps
from worker.store.errors import SealError
from worker.store.models import App, Workflow
from worker.store.sealed_documents import forget_plain_texts, seal_versions
from worker.store.sealing import Sealing

FILES = click.argument("files", nargs=-1, required=True, metavar="FILE...", type=click.Path(path_type=Path))


ALLOW_MISSING_TOOLS = click.option(
    "--allow-missing-tools", is_flag=True, help="Take a document whose tools this deployment lacks: the nodes that call them fail."
)


@click.group()
def apps() -> None:
    """Import, publish and look after apps. APP is an app's id or name."""


apps.add_command(alias)
apps.add_command(env)
apps.add_command(try_)


@apps.command("import")
@FILES
@click.option("--name", help="Name of the app; by default the document's.")
@ALLOW_MISSING_TOOLS
@click.option("--json", "as_json", is_flag=True, help="One JSON line a file.")
@pass_config
def import_(config: Config, files: Sequence[Path], name: str | None, allow_missing_tools: bool, as_json: bool) -> None:
    """Check each DSL file, store it as a new app, publish it and make a key for it."""
    if name is not None and len(files) > 1:
        raise click.UsageError("--name fits one file only.")
    failures = 0
    with opened(config) as database:
        publishing = Publishing.of(database, config, allow_missing_tools=allow_missing_tools)
        for file in files:
            try:
                imported = publishing.import_app(read_document(file), name)
            except (DocumentError, GraphError, SealError) as error:
                failures += 1
                _report_failure(file, error, as_json)
            else:
                _report_import(file, imported, as_json)
    sys.exit(1 if failures else 0)


def _report_failure(file: Path, error: Exception, as_json: bool) -> None:
    if as_json:
        print_json({"file": str(file), "error": sentence_of(error)})
    else:
        say(f"{file}: {sentence_of(error)}")


def _report_import(file: Path, imported: Imported, as_json: bool) -> None:
    _warn(file, imported.warnings)
    facts = {"app_id": imported.app_id, "workflow_id": imported.workflow_id, "api_key": imported.api_key, "name": imported.name}
    if as_json:
        print_json({"file": str(file), **facts})
    else:
        click.echo(f"{imported.name}\n  app  {imported.app_id}\n  key  {imported.api_key}")


def _warn(file: Path, warnings: Sequence[Finding]) -> None:
    for finding in warnings:
        say(f"{file}: warning: {finding}")


@apps.command()
@APP
@click.argument("file", type=click.Path(path_type=Path))
@ALLOW_MISSING_TOOLS
@click.option("--json", "as_json", is_flag=True)
@pass_config
def publish(config: Config, app: str, file: Path, allow_missing_tools: bool, as_json: bool) -> None:
    """Make a DSL file the current version of an app; id and keys stay."""
    document = read_document(file)
    with opened(config) as database:
        published = Publishing.of(database, config, allow_missing_tools=allow_missing_tools).publish(app, document)
    _warn(file, published.warnings)
    if as_json:
        facts = {"app_id": published.app_id, "workflow_id": published.workflow_id, "version": published.version, "is_new": published.is_new}
        print_json({"file": str(file), **facts})
    elif published.is_new:
        click.echo(f"{published.name}: version {published.version} is current.")
    else:
        click.echo(f"{published.name}: this document is the current version already.")


@apps.command("list")
@click.option("--json", "as_json", is_flag=True, help="One JSON line an app.")
@pass_config
def list_(config: Config, as_json: bool) -> None:
    """All apps."""
    with opened(config) as database, database.read() as session:
        found = stored_apps.list_apps(session)
    if as_json:
        for app in found:
            print_json(_app_facts(app))
    else:
        print_table(("App", "Name", "Imported"), ((app.id, app.name, time_text(app.created_at)) for app in found))


def _app_facts(app: App) -> dict[str, Any]:
    names = ("id", "name", "description", "mode", "status", "api_enabled", "workflow_id", "created_at")
    return {name: getattr(app, name) for name in names}


@apps.command()
@APP
@click.option("--json", "as_json", is_flag=True)
@pass_config
def show(config: Config, app: str, as_json: bool) -> None:
    """What is known of an app."""
    with opened(config) as database, database.read() as session:
        facts = _app_facts(stored_apps.find_app(session, app))
    if as_json:
        print_json(facts)
    else:
        facts["created_at"] = time_text(facts["created_at"])
        print_table(("", ""), facts.items())


@apps.command()
@APP
@click.option("--json", "as_json", is_flag=True, help="One JSON line a version.")
@pass_config
def versions(config: Config, app: str, as_json: bool) -> None:
    """Published versions of an app, newest first; * marks the current one."""
    with opened(config) as database, database.read() as session:
        found = stored_apps.find_app(session, app)
        rows = [_version_facts(version, found) for version in stored_apps.list_versions(session, found.id)]
    if as_json:
        for row in rows:
            print_json(row)
    else:
        print_table(("", "Version", "Workflow"), (("*" if row["is_current"] else "", row["version"], row["id"]) for row in rows))


def _version_facts(version: Workflow, app: App) -> dict[str, Any]:
    names = ("id", "version", "content_hash", "marked_name", "marked_comment", "created_at")
    return {**{name: getattr(version, name) for name in names}, "is_current": version.id == app.workflow_id}


@apps.command()
@APP
@click.argument("version", required=False)
@pass_config
def rollback(config: Config, app: str, version: str | None) -> None:
    """Make an earlier version current: VERSION by its id, time or alias, else the one before the current one."""
    with opened(config) as database, database.begin() as session:
        found, chosen = roll_back(session, app, version or None)
        sentence = f"{found.name}: version {chosen.version} is current."
    click.echo(sentence)


@apps.command()
@APP
@click.option("--yes", is_flag=True, help="Do not ask.")
@pass_config
def delete(config: Config, app: str, yes: bool) -> None:
    """Remove an app with its keys, versions, runs and files."""
    with opened(config) as database:
        with database.read() as session:
            found = stored_apps.find_app(session, app)
        if not yes:
            click.confirm(f"Remove {found.name} ({found.id}) with its keys, versions, runs and files?", abort=True)
        remove_app(database, config, found.id)
    click.echo(f"{found.name} is removed.")


@apps.command()
@pass_config
def seal(config: Config) -> None:
    """Seal the secrets in documents that an earlier release stored in plain text."""
    with opened(config) as database:
        with database.begin() as session:
            number = seal_versions(session, partial(Sealing.provide, config))
        forget_plain_texts(database)
    click.echo(f"{number} versions had secrets in plain text, and have them sealed now.")


@apps.command()
@FILES
@click.option("--json", "as_json", is_flag=True, help="One JSON line a finding.")
@pass_config
def check(config: Config, files: Sequence[Path], as_json: bool) -> None:
    """Say everything that keeps DSL files from running, and what in them has no effect."""
    registry = Registry()
    with known_tools(config) as tools:
        checks = [_check_file(file, registry, ToolCheck(tools)) for file in files]
    for file, found in zip(files, checks, strict=True):
        _report_check(file, found, as_json)
    sys.exit(0 if all(found.workflow for found in checks) else 1)


def _check_file(file: Path, registry: Registry, tools: ToolCheck) -> Check:
    try:
        return check_document(read_document(file), registry, tools)
    except DocumentError as error:
        place = f"line {error.line}" if error.line else None
        return Check(None, (Finding("invalid_document", error.reason, path=place),))


def _report_check(file: Path, found: Check, as_json: bool) -> None:
    for finding in found.findings:
        if as_json:
            names = ("level", "code", "message", "node_id", "node_title", "path")
            print_json({"file": str(file), **{name: getattr(finding, name) for name in names}})
        else:
            click.echo(f"{file}: {finding.level}: {finding}")
    if found.workflow and not as_json:
        click.echo(f"{file}: ok")
