"""Schedules as operators make and see them: for the admin API and the command line."""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from itertools import islice
from typing import Any

from app.body import MAX_USER_LENGTH, is_too_deep
from worker.config import Config
from worker.engine.ports import HTTPClient
from worker.operating.errors import Unusable
from worker.outbound.client import GuardedClient
from worker.schedules.planning import Missed, Overlap
from worker.schedules.runs import NoRun, checked_inputs, current_version, run_now
from worker.schedules.timetable import Timetable, zone_of
from worker.store import schedules as stored
from worker.store.encoding import dumps, loads
from worker.store.firings import FiringFacts
from worker.store.runs import AcceptedRun
from worker.store.schedule_models import Schedule
from worker.store.schedules import NewSchedule
from worker.store.session import Database

MAX_NAME_LENGTH = 200

#: Due times that ``schedule_facts`` tells.
TOLD = 5

MISSED = tuple(word.value for word in Missed)
OVERLAPS = tuple(word.value for word in Overlap)


@dataclass(frozen=True, slots=True)
class ScheduleOrder:
    """What an operator says of a schedule; None: of a new one the default, of another one what it is."""

    name: str | None = None
    cron: str | None = None
    timezone: str | None = None
    inputs: Mapping[str, Any] | None = None
    missed: str | None = None
    overlap: str | None = None
    user: str | None = None


def add_schedule(config: Config, database: Database, app_id: str, order: ScheduleOrder) -> Schedule:
    """A schedule whose inputs fit the app's current version, as a run request's would have to.

    By default it is on UTC's clock, makes up for missed times once, and begins no run while its last one has not ended. Raises
    ``Unusable`` that names what is wrong, ``StorageUnavailable``.
    """
    timetable = timetable_of(order.cron or "", order.timezone or "UTC")
    new = NewSchedule(
        app_id=app_id,
        name=order.name or timetable.cron,
        cron=timetable.cron,
        timezone=timetable.timezone,
        inputs=order.inputs or {},
        missed=order.missed or Missed.ONCE.value,
        overlap=order.overlap or Overlap.SKIP.value,
        user=order.user or stored.USER,
    )
    check_words(new.name, new.missed, new.overlap, new.user)
    check_inputs(config, database, app_id, new.user, new.inputs)
    with database.begin() as session:
        return stored.add_schedule(session, new, timetable.after(stored.database_now(session)))


def change_schedule(config: Config, database: Database, schedule: Schedule, order: ScheduleOrder) -> Schedule:
    """Change what the order says. A new timetable counts from now on; due times that have passed are dropped then.

    What is changed of a schedule that a document has made stays until the document says something else. Raises ``Unusable``, ``NotFound``.
    """
    changes = {name: value for name in ("name", "missed", "overlap", "user") if (value := getattr(order, name)) is not None}
    wanted = {name: changes.get(name, getattr(schedule, name)) for name in ("name", "missed", "overlap", "user")}
    check_words(**wanted)
    if order.inputs is not None:
        if schedule.node_id is not None:
            raise Unusable("A schedule of a trigger has no inputs: its runs begin at the trigger.", "inputs")
        check_inputs(config, database, schedule.app_id, wanted["user"], order.inputs)
        changes["inputs"] = dumps(order.inputs)
    timetable = timetable_of(order.cron or schedule.cron, order.timezone or schedule.timezone)
    is_moved = (timetable.cron, timetable.timezone) != (schedule.cron, schedule.timezone)
    with database.begin() as session:
        if is_moved:
            changes |= {"cron": timetable.cron, "timezone": timetable.timezone}
            held = stored.change_schedule(session, schedule.id)
            changes["next_at"] = None if held.paused_at is not None else timetable.after(stored.database_now(session))
        return stored.change_schedule(session, schedule.id, **changes)


def pause_schedule(database: Database, schedule: Schedule) -> Schedule:
    """Let a schedule rest: what becomes due meanwhile is not made up for. Raises ``NotFound``."""
    with database.begin() as session:
        now_s = stored.database_now(session)
        return stored.change_schedule(session, schedule.id, paused_at=schedule.paused_at or now_s, next_at=None)


def resume_schedule(database: Database, schedule: Schedule) -> Schedule:
    """Go on with the next due time; does nothing to a schedule that does not rest. Raises ``NotFound``."""
    with database.begin() as session:
        held = stored.change_schedule(session, schedule.id)
        if held.paused_at is None:
            return held
        next_at = Timetable(held.cron, held.timezone).after(stored.database_now(session))
        return stored.change_schedule(session, schedule.id, paused_at=None, next_at=next_at)


def remove_schedule(database: Database, schedule: Schedule) -> None:
    """With what is known of its due times; its runs stay. Raises ``NotFound``, and ``Unusable`` for one that a document has made."""
    if schedule.node_id is not None:
        raise Unusable("A trigger of the app's current version has made this schedule; pause it, or publish a version without the trigger.")
    with database.begin() as session:
        stored.remove_schedule(session, schedule.id)


def run_schedule(config: Config, database: Database, schedule: Schedule) -> AcceptedRun:
    """A run at once, beside its due times; the caller sends its task. Raises ``Unusable``, ``TooManyRuns``."""
    with web_of(config) as http:
        try:
            return run_now(database, http, config, schedule)
        except NoRun as error:
            raise Unusable(str(error)) from error


def timetable_of(cron: str, timezone: str) -> Timetable:
    """Raises ``Unusable``."""
    try:
        return Timetable.of(cron, timezone)
    except ValueError as error:
        raise Unusable(str(error), "timezone" if "time zone" in str(error) else "cron") from error


def check_words(name: str, missed: str, overlap: str, user: str) -> None:
    """Raises ``Unusable``."""
    if not name.strip() or len(name) > MAX_NAME_LENGTH:
        raise Unusable(f"The name of a schedule must have 1 to {MAX_NAME_LENGTH} characters.", "name")
    for field, value, words in (("missed", missed, MISSED), ("overlap", overlap, OVERLAPS)):
        if value not in words:
            raise Unusable(f"{field} must be one of {', '.join(words)}, not {value!r}.", field)
    if not user or len(user) > MAX_USER_LENGTH:
        raise Unusable(f"The user of a schedule must have 1 to {MAX_USER_LENGTH} characters.", "user")


def check_inputs(config: Config, database: Database, app_id: str, user: str, inputs: Mapping[str, Any]) -> None:
    """Raises ``Unusable`` if the app's current version would not take them now."""
    if is_too_deep(inputs):
        raise Unusable("inputs are nested too deep.", "inputs")
    with web_of(config) as http:
        try:
            checked_inputs(database, http, current_version(database, app_id), user, inputs)
        except NoRun as error:
            raise Unusable(str(error), "inputs") from error


@contextmanager
def web_of(config: Config) -> Iterator[HTTPClient]:
    """For a look at the files that inputs name."""
    with closing(GuardedClient.of(config)) as http:
        yield http


def schedule_facts(schedule: Schedule, now_s: float, told: int = 0) -> dict[str, Any]:
    """What is known of a schedule; ``told``: so many of the due times to come. Times are epoch seconds."""
    names = ("id", "app_id", "name", "node_id", "cron", "timezone", "missed", "overlap", "user", "paused_at", "next_at", "created_at")
    facts = {name: getattr(schedule, name) for name in names}
    facts["origin"] = "operator" if schedule.node_id is None else "document"
    facts["inputs"] = loads(schedule.inputs)
    if told:
        facts["next_times"] = next_times(schedule, now_s, told)
    return facts


def next_times(schedule: Schedule, now_s: float, count: int) -> list[float]:
    """The due times to come; none of a schedule that rests."""
    if schedule.next_at is None:
        return []
    return list(islice(Timetable(schedule.cron, schedule.timezone).times_after(min(now_s, schedule.next_at - 1.0)), count))


def firing_facts(firing: FiringFacts) -> dict[str, Any]:
    names = ("due_at", "fired_at", "status", "run_id", "run_status", "missed", "error")
    return {name: getattr(firing, name) for name in names}


def local_text(time_s: float, timezone: str) -> str:
    """A time on the clock of a schedule, with its distance to UTC."""
    return datetime.datetime.fromtimestamp(time_s, zone_of(timezone)).isoformat(" ", "minutes")
