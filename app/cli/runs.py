"""`penstock runs`: look at runs, follow them, answer their forms, stop them, resume them."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Iterator
from typing import Any

import click
import redis

from app.admin.runs import find_run, form_facts, forms_of, read_run
from app.cli.frames import line_of
from app.cli.output import print_json, print_table, time_text
from app.cli.pruning import prune
from app.cli.settings import pass_config, require_redis
from app.cli.storage import opened
from app.cli.watching import brief, seconds
from app.stream.history import RunHistory
from app.stream.relay import Relay
from worker.bus.commands import Commands
from worker.bus.connection import connect
from worker.bus.events import EventLog
from worker.bus.listener import Listener
from worker.config import Config
from worker.engine.events import RunStatus
from worker.engine.pausing import HeldForm
from worker.store import apps as stored_apps
from worker.store import runs as stored_runs
from worker.store.logs import LogEntry, LogQuery, query_logs
from worker.store.session import Database

RUN = click.argument("run", metavar="RUN")
#: Statuses by which the log can be searched: a run that waits for a worker counts as running.
STATUSES = [status.value for status in RunStatus if status is not RunStatus.SCHEDULED]


@click.group()
def runs() -> None:
    """Look at runs, follow them, answer their forms, stop them, resume them, remove old ones. RUN is a run's id."""


runs.add_command(prune)


@runs.command("list")
@click.argument("app", metavar="[APP]", required=False)
@click.option("--status", type=click.Choice(STATUSES))
@click.option("--limit", type=click.IntRange(1, 1000), default=20, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="One JSON line a run.")
@pass_config
def list_(config: Config, app: str | None, status: str | None, limit: int, as_json: bool) -> None:
    """The newest runs, of one app or of all."""
    with opened(config) as database, database.read() as session:
        app_id = stored_apps.find_app(session, app).id if app else None
        query = LogQuery(app_id, status=RunStatus(status) if status else None, limit=limit)
        entries = query_logs(session, query).entries
    if as_json:
        for entry in entries:
            print_json(_entry_facts(entry))
    else:
        rows = (
            (entry.run_id, entry.status, time_text(entry.created_at), seconds(entry.elapsed_time), entry.session_id) for entry in entries
        )
        print_table(("Run", "Status", "Accepted", "Took", "User"), rows)


def _entry_facts(entry: LogEntry) -> dict[str, Any]:
    names = ("run_id", "app_id", "workflow_version", "status", "error", "elapsed_time", "total_steps", "created_at", "finished_at")
    return {**{name: getattr(entry, name) for name in names}, "user": entry.session_id}


@runs.command()
@RUN
@click.option("--json", "as_json", is_flag=True)
@pass_config
def show(config: Config, run: str, as_json: bool) -> None:
    """A run: its status, inputs, outputs and nodes, and the forms that it waits for."""
    with opened(config) as database:
        found = read_run(database, run)
    facts, nodes, forms = found.facts(), found.nodes(), found.forms
    if as_json:
        print_json({**facts, "nodes": nodes, "forms": [form_facts(form.held) for form in forms]})
        return
    shown = {**facts, "created_at": time_text(facts["created_at"]), "finished_at": time_text(facts["finished_at"])}
    for name in ("inputs", "outputs"):
        shown[name] = json.dumps(facts[name], ensure_ascii=False)
    print_table(("", ""), shown.items())
    print_table(("Node", "Type", "Status", "Took", "Error"), map(_node_row, nodes))
    if forms:
        print_table(("Waits at", "Actions", "Inputs", "Until", "Token"), (_form_row(form.held) for form in forms))


def _node_row(node: dict[str, Any]) -> tuple[str, ...]:
    return node["title"], node["node_type"], node["status"], seconds(node["elapsed_s"]), brief(node["error"]) if node["error"] else ""


def _form_row(held: HeldForm) -> tuple[str, ...]:
    actions, inputs = (action.id for action in held.form.actions), (item["output_variable_name"] for item in held.form.inputs)
    return held.node_id, ", ".join(actions), ", ".join(inputs), time_text(held.expires_at), held.token


@runs.command()
@RUN
@click.option("--after", type=click.IntRange(0), default=0, help="Begin behind this event number.")
@click.option("--json", "as_json", is_flag=True, help="The events as the API streams them, one JSON line each.")
@pass_config
def tail(config: Config, run: str, after: int, as_json: bool) -> None:
    """Print a run's events, from the first one, until it has ended."""
    with opened(config) as database:
        find_run(database, run)
        _print_events(config, database, run, after, as_json)


def _print_events(config: Config, database: Database, run: str, after: int, as_json: bool) -> None:
    for frame in _follow(require_redis(config), database, run, after):
        click.echo(frame if as_json or not sys.stdout.isatty() else line_of(frame))


def _check_remembered(database: Database, run: str) -> None:
    with database.read() as session:
        outlook = stored_runs.find_outlook(session, run)
    if outlook is not None and outlook.is_complete and not outlook.last_event:
        raise click.ClickException("The events of this run were removed because of their age (PENSTOCK_RETENTION_DETAIL_DAYS).")


def _follow(config: Config, database: Database, run: str, after: int) -> Iterator[bytes]:
    with _redis(config) as client, contextlib.closing(Listener(client, config)) as listener:
        history = RunHistory(database, run)
        relay = Relay(run, listener.subscribe(run), EventLog(client, config), history, after=after, ends_on_pause=False)
        with contextlib.closing(relay):
            yield from (entry.frame for entry in relay if entry is not None)


@contextlib.contextmanager
def _redis(config: Config) -> Iterator[redis.Redis]:
    client = connect(config)
    try:
        yield client
    finally:
        client.close()


@runs.command()
@RUN
@click.option("--action", required=True, metavar="ID", help="Id of the action, such as the button that a person would press.")
@click.option("-i", "--input", "pairs", multiple=True, metavar="NAME=VALUE", help="An input; a file as @path or by its address.")
@click.option("--inputs", metavar="JSON", help="Inputs as a JSON object, or @file with one.")
@click.option("--form", metavar="NODE", help="Which form, if the run waits for several: its node, its id or its token.")
@click.option("--user", help="Who answers.")
@pass_config
def answer(config: Config, run: str, action: str, pairs: tuple[str, ...], inputs: str | None, form: str | None, user: str | None) -> None:
    """Answer a form that a run waits for, so that the run goes on."""
    from app.cli.answering import Answer, chosen_form, give_answer
    from app.enqueue import CeleryDispatcher

    require_redis(config)
    with opened(config) as database:
        app_id, _ = find_run(database, run)
        chosen = chosen_form(forms_of(database, app_id, run), form)
        woken = give_answer(config, database, app_id, chosen, Answer(action, pairs, inputs, user))
        if woken is not None:
            CeleryDispatcher(config).send(woken.run_id, woken.task_id)
    click.echo("The run goes on.")


@runs.command()
@RUN
@click.option("--version", metavar="V", help="Another published version: its id, or when it was published.")
@click.option("--latest", "version", flag_value="latest", help="The app's current version.")
@click.option("--watch", is_flag=True, help="Print its events, as `runs tail` does.")
@click.option("--json", "as_json", is_flag=True, help="One JSON line of its ids; events as JSON lines too.")
@pass_config
def resume(config: Config, run: str, version: str | None, watch: bool, as_json: bool) -> None:
    """Go on from a run that failed or was stopped: a new run takes over what is done, and executes the rest."""
    from app.admin.resuming import accept_resumed
    from app.enqueue import CeleryDispatcher

    require_redis(config)
    with opened(config) as database:
        app_id, _ = find_run(database, run)
        new = accept_resumed(config, database, app_id, run, version)
        CeleryDispatcher(config).send(new.run_id, new.task_id)
        if as_json:
            print_json({"run_id": new.run_id, "task_id": new.task_id, "workflow_id": new.workflow_id, "resumed_from": run.lower()})
        else:
            click.echo(f"The run goes on as {new.run_id}.")
        if watch:
            _print_events(config, database, new.run_id, 0, as_json)


@runs.command()
@RUN
@pass_config
def stop(config: Config, run: str) -> None:
    """Stop a run, whether it waits, is running or is paused."""
    from worker.closing import stop_run
    from worker.store.deployment import signing_secret
    from worker.store.signing import FileLinks

    require_redis(config)
    with opened(config) as database, _redis(config) as client:
        app_id, task_id = find_run(database, run)
        secret = config.secret_key or database.transact(signing_secret)
        file_url = FileLinks(secret, config.files_url, config.files_access_timeout_s).of_app(app_id)
        stopped = stop_run(database, EventLog(client, config), Commands(client, config), file_url, app_id, task_id)
        if stopped is not None:
            _revoke(config, task_id)
    click.echo("The run is told to stop." if stopped else "The run has ended already.")


def _revoke(config: Config, task_id: str) -> None:
    from celery import Celery
    from kombu.exceptions import OperationalError

    from worker.broker import celery_settings

    celery = Celery("penstock", set_as_current=False)
    celery.conf.update(celery_settings(config))
    with contextlib.suppress(OperationalError):  # The stop is in SQL: a worker that takes the task finds it there.
        celery.control.revoke(task_id)
