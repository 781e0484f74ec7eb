"""`penstock triggers`: addresses at which other services begin runs of an app."""

from __future__ import annotations

import click

from app.cli.arguments import APP
from app.cli.output import print_json, print_table, time_text
from app.cli.settings import pass_config
from app.cli.storage import opened
from app.triggers import list_webhook_triggers, rotate_webhook_trigger, trigger_facts
from worker.config import Config
from worker.store import apps as stored_apps


@click.group()
def triggers() -> None:
    """Addresses of the webhook triggers of an app. APP is an app's id or name."""


@triggers.command("list")
@APP
@click.option("--json", "as_json", is_flag=True, help="One JSON line a trigger.")
@pass_config
def list_(config: Config, app: str, as_json: bool) -> None:
    """Webhook triggers of an app's current version, with their addresses: whoever knows one may begin runs."""
    with opened(config) as database:
        with database.read() as session:
            app_id = stored_apps.find_app(session, app).id
        found = list_webhook_triggers(config, database, app_id)
    if as_json:
        for trigger in found:
            print_json(trigger_facts(trigger))
        return
    rows = ((one.node_id, one.title, one.method, one.content_type, one.url, time_text(one.last_used_at)) for one in found)
    print_table(("Node", "Title", "Method", "Content type", "URL", "Last used"), rows)


@triggers.command()
@APP
@click.argument("node", metavar="NODE")
@click.option("--json", "as_json", is_flag=True)
@pass_config
def rotate(config: Config, app: str, node: str, as_json: bool) -> None:
    """Another address for the trigger NODE, by its node's id or title; the old one leads nowhere from then on."""
    with opened(config) as database:
        with database.read() as session:
            app_id = stored_apps.find_app(session, app).id
        rotated = rotate_webhook_trigger(config, database, app_id, node)
    if as_json:
        print_json(trigger_facts(rotated))
    else:
        click.echo(rotated.url)
