"""Runs that begin by themselves: schedules, and the addresses of webhook triggers."""

from __future__ import annotations

from typing import Any

from flask import Response

from app.parts import Parts, current_parts
from app.schedules import (
    TOLD,
    ScheduleOrder,
    add_schedule,
    change_schedule,
    firing_facts,
    pause_schedule,
    remove_schedule,
    resume_schedule,
    run_schedule,
    schedule_facts,
)
from app.schemas.admin_volume import (
    BegunRun,
    ScheduleChange,
    ScheduleOrderFields,
    SchedulePage,
    SchedulesQuery,
    ScheduleView,
    TriggerList,
    TriggerView,
    WholeSchedule,
)
from app.triggers import list_webhook_triggers, rotate_webhook_trigger, trigger_facts
from app.views.admin.blueprint import AdminBlueprint, body_of, keys_of, no_content, page_body, query_of
from worker.store.apps import find_app
from worker.store.firings import list_firings
from worker.store.listings import page_schedules
from worker.store.schedule_models import Schedule
from worker.store.schedules import database_now, find_schedule

blueprint = AdminBlueprint(
    "schedules", __name__, "Runs that begin by themselves. SCHEDULE in a path is a schedule's id, or its name if only one has it."
)


@blueprint.route("/schedules")
@blueprint.fails(404)
@blueprint.response(200, SchedulePage)
@blueprint.asks({"in": "query", "schema": SchedulesQuery})
def list_schedules() -> dict[str, Any]:
    """List schedules, oldest first"""
    asked = query_of(SchedulesQuery)
    with current_parts().database.read() as session:
        app_id = None if asked["app"] is None else find_app(session, asked["app"]).id
        return page_body(page_schedules(session, app_id, keys_of(asked, float, str), asked["limit"]), facts_of)


@blueprint.route("/apps/<app>/schedules", methods=["POST"])
@blueprint.fails(404, 413, 415)
@blueprint.response(201, ScheduleView)
@blueprint.takes(ScheduleOrderFields)
def create_schedule(app: str) -> dict[str, Any]:
    """Run the current version of an app at the times of a cron expression"""
    parts = current_parts()
    order = ScheduleOrder(**body_of(ScheduleOrderFields))
    with parts.database.read() as session:
        app_id = find_app(session, app).id
    return facts_of(add_schedule(parts.config, parts.database, app_id, order))


@blueprint.route("/schedules/<schedule>")
@blueprint.fails(404)
@blueprint.response(200, WholeSchedule)
def show_schedule(schedule: str) -> dict[str, Any]:
    """Look at a schedule, its next times and what became of the last ones"""
    with current_parts().database.read() as session:
        found = find_schedule(session, schedule)
        facts = schedule_facts(found, database_now(session), TOLD)
        firings = [firing_facts(firing) for firing in list_firings(session, found.id)]
    return {"next_times": [], **facts, "firings": firings}


@blueprint.route("/schedules/<schedule>", methods=["PATCH"])
@blueprint.fails(404, 413, 415)
@blueprint.response(200, ScheduleView)
@blueprint.takes(ScheduleChange)
def patch_schedule(schedule: str) -> dict[str, Any]:
    """Change what is named; everything else stays as it is"""
    parts = current_parts()
    order = ScheduleOrder(**body_of(ScheduleChange))
    return facts_of(change_schedule(parts.config, parts.database, find(parts, schedule), order))


@blueprint.route("/schedules/<schedule>", methods=["DELETE"])
@blueprint.fails(404)
@blueprint.response(204)
def delete_schedule(schedule: str) -> Response:
    """Forget a schedule; its runs stay. One that a document has made is paused instead"""
    parts = current_parts()
    remove_schedule(parts.database, find(parts, schedule))
    return no_content()


@blueprint.route("/schedules/<schedule>/pause", methods=["POST"])
@blueprint.fails(404)
@blueprint.response(200, ScheduleView)
def pause(schedule: str) -> dict[str, Any]:
    """Begin no runs until it is resumed"""
    parts = current_parts()
    return facts_of(pause_schedule(parts.database, find(parts, schedule)))


@blueprint.route("/schedules/<schedule>/resume", methods=["POST"])
@blueprint.fails(404)
@blueprint.response(200, ScheduleView)
def resume(schedule: str) -> dict[str, Any]:
    """Go on with the next due time"""
    parts = current_parts()
    return facts_of(resume_schedule(parts.database, find(parts, schedule)))


@blueprint.route("/schedules/<schedule>/run", methods=["POST"])
@blueprint.fails(404, 429)
@blueprint.response(202, BegunRun)
def run(schedule: str) -> dict[str, str]:
    """Begin a run at once, beside the due times"""
    parts = current_parts()
    accepted = run_schedule(parts.config, parts.database, find(parts, schedule))
    parts.dispatcher.send(accepted.run_id, accepted.task_id)
    return {"run_id": accepted.run_id, "task_id": accepted.task_id}


def find(parts: Parts, schedule: str) -> Schedule:
    """Raises ``NotFound``."""
    with parts.database.read() as session:
        return find_schedule(session, schedule)


def facts_of(schedule: Schedule) -> dict[str, Any]:
    return schedule_facts(schedule, 0.0)


@blueprint.route("/apps/<app>/triggers")
@blueprint.fails(404, 409)
@blueprint.response(200, TriggerList)
def list_triggers(app: str) -> dict[str, Any]:
    """Webhook triggers of the current version, with their addresses"""
    parts = current_parts()
    with parts.database.read() as session:
        app_id = find_app(session, app).id
    return {"data": [trigger_facts(trigger) for trigger in list_webhook_triggers(parts.config, parts.database, app_id)]}


@blueprint.route("/apps/<app>/triggers/<path:node>/rotate", methods=["POST"])
@blueprint.fails(404, 409)
@blueprint.response(200, TriggerView)
def rotate_trigger(app: str, node: str) -> dict[str, Any]:
    """Another address for a trigger; the old one leads nowhere from then on"""
    parts = current_parts()
    with parts.database.read() as session:
        app_id = find_app(session, app).id
    return trigger_facts(rotate_webhook_trigger(parts.config, parts.database, app_id, node))
