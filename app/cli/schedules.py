"""`penstock schedules`: runs of an app that begin by themselves."""

from __future__ import annotations

from typing import Any

import click

from app.cli.arguments import APP
from app.cli.inputs import read_object
from app.cli.output import print_json, print_table, time_text
from app.cli.settings import pass_config
from app.cli.storage import opened
from app.schedules import (
    MISSED,
    OVERLAPS,
    TOLD,
    ScheduleOrder,
    add_schedule,
    change_schedule,
    firing_facts,
    local_text,
    pause_schedule,
    remove_schedule,
    resume_schedule,
    run_schedule,
    schedule_facts,
)
from worker.config import Config
from worker.store import apps as stored_apps
from worker.store import schedules as stored
from worker.store.firings import list_firings
from worker.store.schedule_models import Schedule
from worker.store.session import Database

SCHEDULE = click.argument("schedule", metavar="SCHEDULE")

#: Options by which a schedule is described, for a new one and for changes.
OPTIONS = (
    click.option("--tz", "timezone", help="IANA time zone, such as Europe/Berlin, whose clock counts; UTC without it."),
    click.option("--inputs", "raw", metavar="JSON", help="Inputs of the runs: a JSON object, or @file with one."),
    click.option("--name", help="To tell schedules apart; the cron expression without it."),
    click.option(
        "--missed", type=click.Choice(MISSED), help="Times at which no worker was there: one late run (the default), none, or all."
    ),
    click.option(
        "--overlap",
        type=click.Choice(OVERLAPS),
        help="While the last run has not ended: no run (the default), a run after it, or beside it.",
    ),
    click.option("--user", help="The user in whose name it runs; `schedule` without it."),
)


def described(command: Any) -> Any:
    for option in reversed(OPTIONS):
        command = option(command)
    return command


@click.group()
def schedules() -> None:
    """Runs of an app that begin by themselves. APP is an app's id or name, SCHEDULE a schedule's id or name."""


@schedules.command()
@APP
@click.option("--cron", required=True, metavar="CRON", help='Five fields, such as "30 9 * * 1-5", or a name such as @daily.')
@described
@click.option("--json", "as_json", is_flag=True)
@pass_config
def add(config: Config, app: str, as_json: bool, raw: str | None, **said: Any) -> None:
    """Run the current version of an app at the times of CRON."""
    order = ScheduleOrder(**said, inputs=None if raw is None else read_object(raw))
    with opened(config) as database:
        with database.read() as session:
            app_id = stored_apps.find_app(session, app).id
        made = add_schedule(config, database, app_id, order)
    _say(made, as_json)


@schedules.command()
@SCHEDULE
@click.option("--cron", metavar="CRON", help='Five fields, such as "30 9 * * 1-5", or a name such as @daily.')
@described
@click.option("--json", "as_json", is_flag=True)
@pass_config
def change(config: Config, schedule: str, as_json: bool, raw: str | None, **said: Any) -> None:
    """Change what the options name; everything else stays as it is."""
    order = ScheduleOrder(**said, inputs=None if raw is None else read_object(raw))
    with opened(config) as database:
        changed = change_schedule(config, database, _find(database, schedule), order)
    _say(changed, as_json)


def _find(database: Database, schedule: str) -> Schedule:
    with database.read() as session:
        return stored.find_schedule(session, schedule)


def _say(schedule: Schedule, as_json: bool) -> None:
    if as_json:
        print_json(schedule_facts(schedule, 0.0))
        return
    when = "it is paused" if schedule.next_at is None else f"next at {local_text(schedule.next_at, schedule.timezone)}"
    click.echo(f"{schedule.id}\n  {schedule.name}: {when} ({schedule.timezone}).")


@schedules.command("list")
@click.argument("app", metavar="[APP]", required=False)
@click.option("--json", "as_json", is_flag=True, help="One JSON line a schedule.")
@pass_config
def list_(config: Config, app: str | None, as_json: bool) -> None:
    """Schedules of one app, or of all."""
    with opened(config) as database, database.read() as session:
        app_id = stored_apps.find_app(session, app).id if app else None
        found = stored.list_schedules(session, app_id)
    if as_json:
        for schedule in found:
            print_json(schedule_facts(schedule, 0.0))
        return
    rows = (
        (one.id, one.app_id, one.name, one.cron, one.timezone, "document" if one.node_id else "operator", _next_text(one)) for one in found
    )
    print_table(("Id", "App", "Name", "Cron", "Time zone", "From", "Next"), rows)


def _next_text(schedule: Schedule) -> str:
    if schedule.next_at is not None:
        return local_text(schedule.next_at, schedule.timezone)
    return "paused" if schedule.paused_at is not None else "never"


@schedules.command()
@SCHEDULE
@click.option("--limit", type=click.IntRange(1, 1000), default=10, show_default=True, help="Due times that have passed.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object, with `next_times` and `firings`.")
@pass_config
def show(config: Config, schedule: str, limit: int, as_json: bool) -> None:
    """A schedule, its next due times, and what became of the last ones."""
    with opened(config) as database, database.read() as session:
        found = stored.find_schedule(session, schedule)
        facts = schedule_facts(found, stored.database_now(session), TOLD)
        firings = [firing_facts(firing) for firing in list_firings(session, found.id, limit)]
    if as_json:
        print_json({**facts, "firings": firings})
        return
    times = {name: time_text(facts[name]) for name in ("paused_at", "created_at")}
    told = [local_text(at, found.timezone) for at in facts.pop("next_times")]
    print_table(("", ""), {**facts, **times, "next_at": ", ".join(told)}.items())
    names = ("status", "run_id", "run_status", "missed", "error")
    rows = ((local_text(firing["due_at"], found.timezone), *(firing[name] for name in names)) for firing in firings)
    print_table(("Due", "Firing", "Run", "Status", "Missed before", "Why not"), rows)


@schedules.command()
@SCHEDULE
@pass_config
def pause(config: Config, schedule: str) -> None:
    """Begin no runs until it is resumed; what becomes due meanwhile is not made up for."""
    with opened(config) as database:
        paused = pause_schedule(database, _find(database, schedule))
    click.echo(f"{paused.name} is paused.")


@schedules.command()
@SCHEDULE
@pass_config
def resume(config: Config, schedule: str) -> None:
    """Go on with the next due time."""
    with opened(config) as database:
        _say(resume_schedule(database, _find(database, schedule)), as_json=False)


@schedules.command()
@SCHEDULE
@pass_config
def remove(config: Config, schedule: str) -> None:
    """Forget a schedule; its runs stay. One that a document has made is paused instead."""
    with opened(config) as database:
        found = _find(database, schedule)
        remove_schedule(database, found)
    click.echo(f"{found.name} is removed.")


@schedules.command("run-now")
@SCHEDULE
@click.option("--json", "as_json", is_flag=True)
@pass_config
def run_now(config: Config, schedule: str, as_json: bool) -> None:
    """Begin a run at once, beside the due times; prints the run's id."""
    with opened(config) as database:
        accepted = run_schedule(config, database, _find(database, schedule))
    _send(config, accepted.run_id, accepted.task_id)
    if as_json:
        print_json({"workflow_run_id": accepted.run_id, "task_id": accepted.task_id})
    else:
        click.echo(accepted.run_id)


def _send(config: Config, run_id: str, task_id: str) -> None:
    """Without a Redis at hand, the sweeper of a worker sends it a little later."""
    if config.redis_url:
        from app.enqueue import CeleryDispatcher

        CeleryDispatcher(config).send(run_id, task_id)
