"""`penstock runs`: look at runs, follow them, stop them."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Iterator
from typing import Any

import click
import redis

from app.cli.frames import line_of
from app.cli.output import print_json, print_table, time_text
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
from worker.store import apps as stored_apps
from worker.store import runs as stored_runs
from worker.store.claims import load_records
from worker.store.logs import LogEntry, LogQuery, query_logs
from worker.store.session import Database

RUN = click.argument("run", metavar="RUN")
#: Statuses by which the log can be searched: a run that waits for a worker counts as running.
STATUSES = [status.value for status in RunStatus if status is not RunStatus.SCHEDULED]


@click.group()
def runs() -> None:
    """Look at runs, follow them, stop them. RUN is a run's id."""


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
    """A run: its status, inputs, outputs and nodes."""
    with opened(config) as database:
        facts, nodes = _read_run(database, run)
    if as_json:
        print_json({**facts, "nodes": nodes})
        return
    shown = {**facts, "created_at": time_text(facts["created_at"]), "finished_at": time_text(facts["finished_at"])}
    for name in ("inputs", "outputs"):
        shown[name] = json.dumps(facts[name], ensure_ascii=False)
    print_table(("", ""), shown.items())
    print_table(("Node", "Type", "Status", "Took", "Error"), map(_node_row, nodes))


def _node_row(node: dict[str, Any]) -> tuple[str, ...]:
    return node["title"], node["node_type"], node["status"], seconds(node["elapsed_s"]), brief(node["error"]) if node["error"] else ""


def _read_run(database: Database, run: str) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    app_id, _ = _locate(database, run)
    with database.read() as session:
        detail = stored_runs.get_run(session, app_id, run)
        records = load_records(session, run)
    assert detail is not None, "it was there a moment ago"
    names = ("run_id", "task_id", "workflow_id", "status", "error", "elapsed_time", "total_steps", "created_at", "finished_at")
    facts = {**{name: getattr(detail, name) for name in names}, "inputs": json.loads(detail.inputs), "outputs": detail.outputs}
    parts = ("node_id", "node_type", "title", "status", "error", "elapsed_s")
    return facts, [{name: getattr(record, name) for name in parts} for record in records]


def _locate(database: Database, run: str) -> tuple[str, str]:
    """App id and task id of a run. Raises ``click.ClickException``."""
    with database.read() as session:
        found = stored_runs.locate_run(session, run)
    if found is None:
        raise click.ClickException(f"There is no run {run!r}.")
    return found


@runs.command()
@RUN
@click.option("--after", type=click.IntRange(0), default=0, help="Begin behind this event number.")
@click.option("--json", "as_json", is_flag=True, help="The events as the API streams them, one JSON line each.")
@pass_config
def tail(config: Config, run: str, after: int, as_json: bool) -> None:
    """Print a run's events, from the first one, until it has ended."""
    with opened(config) as database:
        _locate(database, run)
        for frame in _follow(require_redis(config), database, run, after):
            click.echo(frame if as_json or not sys.stdout.isatty() else line_of(frame))


def _follow(config: Config, database: Database, run: str, after: int) -> Iterator[bytes]:
    with _redis(config) as client, contextlib.closing(Listener(client, config)) as listener:
        relay = Relay(run, listener.subscribe(run), EventLog(client, config), RunHistory(database, run), after=after)
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
@pass_config
def stop(config: Config, run: str) -> None:
    """Stop a run, whether it waits or is running."""
    from worker.closing import stop_run
    from worker.store.deployment import signing_secret
    from worker.store.signing import FileLinks

    require_redis(config)
    with opened(config) as database, _redis(config) as client:
        app_id, task_id = _locate(database, run)
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
