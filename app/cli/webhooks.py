"""`penstock webhooks`: who is told of the runs of an app, and what became of the messages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click

from app.admin.webhooks import add_endpoint, endpoint_facts
from app.cli.arguments import APP
from app.cli.output import print_json, print_table, time_text
from app.cli.settings import pass_config
from app.cli.storage import opened
from worker.config import Config
from worker.store import apps as stored_apps
from worker.store import deliveries as stored_deliveries
from worker.store import webhooks as stored_webhooks
from worker.store.deliveries import STATUSES, DeliveryFacts
from worker.store.models import WebhookAttempt
from worker.store.sealing import Sealing
from worker.store.webhook_secrets import open_secret, secret_of_runs
from worker.store.webhooks import EVENTS, OF_RUNS

DELIVERY = click.argument("delivery", metavar="DELIVERY")


@click.group()
def webhooks() -> None:
    """Who is told of the runs of an app, and what became of the messages.

    APP is an app's id or name, DELIVERY a message's id, which its receiver knows as `webhook-id`.
    """


@webhooks.command()
@APP
@click.argument("url")
@click.option("--event", "events", multiple=True, type=click.Choice(EVENTS), help="Tell this event; all without the option.")
@click.option("--json", "as_json", is_flag=True)
@pass_config
def add(config: Config, app: str, url: str, events: Sequence[str], as_json: bool) -> None:
    """Tell URL of every run of an app; the secret that signs the messages is shown this once.

    An endpoint that is there already gets a new secret and, if it was disabled, messages again.
    """
    with opened(config) as database:
        with database.read() as session:
            app_id = stored_apps.find_app(session, app).id
        facts = add_endpoint(config, database, app_id, url, events)
    if as_json:
        print_json(facts)
    else:
        click.echo(facts["secret"])


@webhooks.command("list")
@click.argument("app", metavar="[APP]", required=False)
@click.option("--json", "as_json", is_flag=True, help="One JSON line an endpoint.")
@pass_config
def list_(config: Config, app: str | None, as_json: bool) -> None:
    """Endpoints, of one app or of all; never a secret."""
    with opened(config) as database, database.read() as session:
        app_id = stored_apps.find_app(session, app).id if app else None
        found = [endpoint_facts(endpoint) for endpoint in stored_webhooks.list_endpoints(session, app_id)]
    if as_json:
        for facts in found:
            print_json(facts)
        return
    times = ("created_at", "disabled_at")
    rows = (
        [facts["id"], facts["app_id"], facts["url"], ", ".join(facts["events"]), *(time_text(facts[name]) for name in times)]
        for facts in found
    )
    print_table(("Id", "App", "URL", "Events", "Added", "Disabled"), rows)


@webhooks.command()
@APP
@click.argument("endpoint", metavar="ENDPOINT")
@pass_config
def remove(config: Config, app: str, endpoint: str) -> None:
    """Forget an endpoint, by its id or URL, and its messages, those on their way too."""
    with opened(config) as database, database.begin() as session:
        stored_webhooks.remove_endpoint(session, stored_apps.find_app(session, app).id, endpoint)
    click.echo(f"{endpoint} is removed.")


@webhooks.command()
@APP
@pass_config
def secret(config: Config, app: str) -> None:
    """Show the secret that signs messages to addresses that runs of an app name themselves."""
    with opened(config) as database:
        with database.read() as session:
            app_id = stored_apps.find_app(session, app).id
        sealed = secret_of_runs(config, database, app_id)
    click.echo(open_secret(Sealing.find(config), app_id, OF_RUNS, sealed))


@webhooks.command("deliveries")
@click.argument("app", metavar="[APP]", required=False)
@click.option("--run", metavar="RUN", help="Of this run only.")
@click.option("--batch", metavar="BATCH", help="Of this batch only.")
@click.option("--status", type=click.Choice(STATUSES))
@click.option("--limit", type=click.IntRange(1, 1000), default=20, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="One JSON line a message.")
@pass_config
def list_deliveries(
    config: Config, app: str | None, run: str | None, batch: str | None, status: str | None, limit: int, as_json: bool
) -> None:
    """The newest messages, of one app or of all, and how the last attempt to deliver each went."""
    with opened(config) as database, database.read() as session:
        app_id = stored_apps.find_app(session, app).id if app else None
        listed = stored_deliveries.list_deliveries(session, app_id, run_id=run, batch_id=batch, status=status, limit=limit)
        found = [_delivery_facts(one) for one in listed]
    if as_json:
        for facts in found:
            print_json(facts)
        return
    names = ("event", "url", "status", "attempts", "last_status", "last_error")
    rows = (
        [facts["id"], facts["run_id"] or facts["batch_id"], *(facts[name] for name in names), time_text(facts["due_at"])] for facts in found
    )
    print_table(("Id", "Run or batch", "Event", "URL", "Status", "Attempts", "Last", "Error", "Next attempt"), rows)


def _delivery_facts(found: DeliveryFacts) -> dict[str, Any]:
    names = ("id", "run_id", "batch_id", "event", "url", "status", "attempts", "created_at", "due_at", "ended_at")
    last = found.last_attempt
    outcome = {"last_status": last and last.status, "last_error": last and last.error}
    return {**{name: getattr(found.delivery, name) for name in names}, "app_id": found.endpoint.app_id, **outcome}


@webhooks.command()
@DELIVERY
@click.option("--json", "as_json", is_flag=True, help="One JSON line an attempt.")
@pass_config
def attempts(config: Config, delivery: str, as_json: bool) -> None:
    """Every attempt to deliver a message."""
    with opened(config) as database, database.read() as session:
        found = [_attempt_facts(attempt) for attempt in stored_deliveries.list_attempts(session, delivery)]
    if as_json:
        for facts in found:
            print_json(facts)
        return
    rows = (
        (facts["number"], time_text(facts["ended_at"]), facts["status"], f"{facts['elapsed_ms']} ms", facts["error"]) for facts in found
    )
    print_table(("Attempt", "At", "Status", "Took", "Error"), rows)


def _attempt_facts(attempt: WebhookAttempt) -> dict[str, Any]:
    return {name: getattr(attempt, name) for name in ("number", "ended_at", "status", "elapsed_ms", "error")}


@webhooks.command()
@click.argument("deliveries", metavar="DELIVERY...", nargs=-1, required=True)
@pass_config
def redeliver(config: Config, deliveries: Sequence[str]) -> None:
    """Send messages again, whatever became of them."""
    with opened(config) as database, database.begin() as session:
        for delivery in deliveries:
            stored_deliveries.redeliver(session, delivery)
    click.echo("Sent as soon as a worker is there: `penstock webhooks deliveries` shows what becomes of it.")
