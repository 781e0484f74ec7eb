"""`penstock batch submit`: a file of this machine becomes a batch, by the rules of the API."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import click

from app.admin.resuming import named_workflow
from app.batches.checking import checked_items
from app.batches.encodings import encoding_named
from app.batches.intake import AcceptedBatch, new_batch_of, store_batch
from app.batches.sources import FileSource
from app.cli.arguments import APP
from app.cli.batch_watching import follow, line_of
from app.cli.output import print_json
from app.cli.settings import pass_config
from app.cli.storage import opened
from app.config import MEGABYTE, ApiConfig
from app.errors import APIError
from app.files import FileDesk
from app.published import PublishedWorkflow, PublishedWorkflows
from app.resuming import LATEST
from app.schemas.batches import FORMATS, AcceptedBatchView, BatchOptions
from app.schemas.fields import load
from app.webhooks import webhook_of
from worker.config import Config
from worker.outbound.client import GuardedClient
from worker.store import apps as stored_apps
from worker.store.batch_facts import describe
from worker.store.end_users import ensure_end_user
from worker.store.session import Database
from worker.store.webhook_secrets import secret_of_runs

#: What a batch can be told, as the API has it.
OPTIONS = (
    click.option("--user", help="In whose name the items run."),
    click.option("--max-concurrency", type=int, metavar="N", help="Runs of the batch that may be open at a time."),
    click.option("--priority", type=int, metavar="N", help="Among the batches of the app, higher ones go first."),
    click.option("--stop-on-error-rate", type=float, metavar="R", help="Share of failed runs, from 0 to 1, above which it stops."),
    click.option("--completion-window", metavar="T", help="How long it may take: 90m, 24h, 7d."),
    click.option("--webhook", metavar="URL", help="Tell this address when it has ended."),
    click.option("--metadata", "metadata", multiple=True, metavar="NAME=VALUE", help="A text of your own, shown with the batch."),
)


def described(command: Any) -> Any:
    for option in reversed(OPTIONS):
        command = option(command)
    return command


@click.command()
@APP
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--format", "kind", type=click.Choice(FORMATS), help="Found out without it.")
@click.option("--encoding", help="Such as gb18030; found out without it.")
@click.option("--version", default=LATEST, metavar="V", help="A published version: its id, when it was published, or an alias.")
@described
@click.option("--watch", is_flag=True, help="Show how the batch gets on, until it has ended. Exit code 1 unless it is completed.")
@click.option("--json", "as_json", is_flag=True)
@pass_config
def submit(
    config: Config, app: str, file: Path, kind: str | None, encoding: str | None, version: str, watch: bool, as_json: bool, **said: Any
) -> None:
    """Submit FILE, JSONL or CSV, as a batch of APP."""
    with opened(config) as database:
        try:
            codec = None if encoding is None else encoding_named(encoding)
            accepted = _submit(config, database, app, file, (kind, codec), version, load(BatchOptions(), _given(said)))
        except APIError as error:
            raise click.ClickException(error.message) from error
        except ValueError as error:
            raise click.UsageError(f"--encoding {error}.") from error
        _say(accepted, as_json, is_watched=watch)
        if watch:
            raise SystemExit(follow(database, accepted.facts, as_json))


def _given(said: dict[str, Any]) -> dict[str, Any]:
    """Options of the command line as the fields of a request."""
    url, metadata = said.pop("webhook"), _pairs(said.pop("metadata"))
    return {**said, "webhook": None if url is None else {"url": url}, "metadata": metadata or None}


def _pairs(texts: Sequence[str]) -> dict[str, str]:
    pairs = [text.partition("=") for text in texts]
    if wrong := [name for name, separator, _ in pairs if not separator or not name]:
        raise click.UsageError(f"--metadata {wrong[0]} must have the form NAME=VALUE.")
    return {name: value for name, _, value in pairs}


def _submit(
    config: Config,
    database: Database,
    app: str,
    file: Path,
    read_as: tuple[str | None, str | None],
    version: str,
    options: dict[str, Any],
) -> AcceptedBatch:
    """Raises ``APIError``, and what storing raises."""
    api = ApiConfig.from_env(os.environ)
    with database.read() as session:
        app_id = stored_apps.find_app(session, app).id
    workflow = _workflow(database, app_id, version)
    user = options["user"]
    end_user_id = database.transact(lambda session: ensure_end_user(session, app_id, user))
    webhook = webhook_of(options["webhook"])
    if webhook is not None:
        secret_of_runs(config, database, app_id)
    with file.open("rb") as content, closing(GuardedClient(config.outbound_allow)) as http:
        resolve = FileDesk(config, database, http).references(app_id, end_user_id)
        source = FileSource(content, file.name, *read_as, api.batch_max_line_mb * MEGABYTE)
        items = checked_items(source.rows(workflow.form, resolve), workflow.form, resolve)
        return store_batch(database, new_batch_of(workflow, end_user_id, options, webhook), items, api.batch_max_items)


def _workflow(database: Database, app_id: str, version: str) -> PublishedWorkflow:
    found = named_workflow(database, PublishedWorkflows(database), app_id, version)
    if not found.has_start:
        raise click.ClickException("The workflow has no start node: only its triggers can begin a run.")
    return found


def _say(accepted: AcceptedBatch, as_json: bool, *, is_watched: bool) -> None:
    if as_json:
        if not is_watched:
            print_json(AcceptedBatchView(exclude=("input",)).dump({**describe(accepted.facts), "errors": accepted.errors}))
        return
    for item in accepted.errors:
        click.echo(f"line {item.line}: {item.error}", err=True)
    if (more := accepted.facts.counts.invalid - len(accepted.errors)) > 0:
        click.echo(f"and {more} more: penstock batch errors {accepted.facts.id}", err=True)
    click.echo(line_of(accepted.facts), err=True)
    click.echo(accepted.facts.id)
