"""`penstock batch`: many runs of one version, asked for together."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from app.cli.batch_download import download
from app.cli.batch_lookup import find_batch
from app.cli.batch_submit import submit
from app.cli.batch_watching import follow, line_of
from app.cli.output import print_json, print_table, time_text
from app.cli.settings import pass_config
from app.cli.storage import opened
from app.schemas.batches import BatchDetail, BatchView
from worker.config import Config
from worker.store import apps as stored_apps
from worker.store import batch_controls
from worker.store.batch_facts import BatchFacts, BatchStatus, describe, list_batches, pace_of
from worker.store.session import Database

BATCH = click.argument("batch_id", metavar="BATCH")

STATUSES = [status.value for status in BatchStatus if status is not BatchStatus.VALIDATING]


@click.group()
def batch() -> None:
    """Many runs of one version, asked for together. BATCH is a batch's id, APP an app's id or name."""


batch.add_command(submit)
batch.add_command(download("results"))
batch.add_command(download("errors"))


@batch.command("list")
@click.argument("app", metavar="[APP]", required=False)
@click.option("--status", type=click.Choice(STATUSES))
@click.option("--limit", type=click.IntRange(1, 1000), default=20, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="One JSON line a batch.")
@pass_config
def list_(config: Config, app: str | None, status: str | None, limit: int, as_json: bool) -> None:
    """The newest batches, of one app or of all."""
    with opened(config) as database, database.read() as session:
        app_id = stored_apps.find_app(session, app).id if app else None
        found = list_batches(session, app_id, status=BatchStatus(status) if status else None, limit=limit)
    if as_json:
        for one in found:
            print_json({"app_id": one.app_id, **BatchView().dump(describe(one))})
        return
    rows = ((one.id, one.app_id, one.status, _done(one), time_text(one.created_at), one.user) for one in found)
    print_table(("Batch", "App", "Status", "Ended", "Submitted", "User"), rows)


def _done(found: BatchFacts) -> str:
    return f"{found.counts.ended}/{found.counts.total}"


@batch.command()
@BATCH
@click.option("--json", "as_json", is_flag=True)
@pass_config
def show(config: Config, batch_id: str, as_json: bool) -> None:
    """A batch: its status, counts, pace, usage and price so far."""
    with opened(config) as database, database.read() as session:
        found = find_batch(session, batch_id)
        pace = pace_of(session, found)
    facts = {"app_id": found.app_id, **BatchDetail().dump({**describe(found), "pace": pace})}
    if as_json:
        print_json(facts)
    else:
        print_table(("", ""), _shown(facts))


def _shown(facts: dict[str, Any]) -> list[tuple[str, Any]]:
    """Facts of a batch in lines for people: parts of parts one below the other, times as texts."""
    lines: list[tuple[str, Any]] = []
    for name, value in facts.items():
        if isinstance(value, dict):
            lines += [(f"{name}.{part}", item) for part, item in value.items()]
        else:
            lines.append((name, time_text(value) if name.endswith("_at") else value))
    return lines


@batch.command()
@BATCH
@click.option("--json", "as_json", is_flag=True, help="One JSON line whenever the counts change.")
@pass_config
def watch(config: Config, batch_id: str, as_json: bool) -> None:
    """Show how a batch gets on, until it has ended. Exit code 1 unless it is completed."""
    with opened(config) as database:
        raise SystemExit(follow(database, _find(database, batch_id), as_json))


def _find(database: Database, batch_id: str) -> BatchFacts:
    """Raises ``click.ClickException``."""
    with database.read() as session:
        return find_batch(session, batch_id)


def _control(name: str, make: Callable[[Any, str, str], BatchFacts], sentence: str, explained: str) -> None:
    """A command that changes a batch in one transaction."""

    @batch.command(name, help=explained)
    @BATCH
    @pass_config
    def control(config: Config, batch_id: str) -> None:
        with opened(config) as database:
            found = _find(database, batch_id)
            changed = database.transact(lambda session: make(session, found.app_id, found.id))
        click.echo(f"{sentence} {line_of(changed)}")


_control("cancel", batch_controls.cancel_batch, "Nothing more begins.", "Begin nothing more, and stop what runs.")
_control("pause", batch_controls.pause_batch, "Nothing more begins.", "Begin nothing more; what runs comes to its end.")
_control("resume", batch_controls.resume_batch, "The batch goes on.", "Go on with a batch that was paused.")


@batch.command()
@BATCH
@click.option("--watch", "is_watched", is_flag=True, help="Show how the batch gets on, until it has ended.")
@pass_config
def retry(config: Config, batch_id: str, is_watched: bool) -> None:
    """Run the items again that failed, were stopped, cancelled or expired."""
    with opened(config) as database:
        found = _find(database, batch_id)
        changed, number = batch_controls.retry_batch(database, found.app_id, found.id)
        click.echo(f"{number} items run again. {line_of(changed)}", err=is_watched)
        if is_watched:
            raise SystemExit(follow(database, changed, as_json=False))
