"""Schedule triggers of an app's current version as schedules of the app (nodes.md section 6.21)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy.orm import Session

from worker.engine.errors import Finding
from worker.engine.triggers import DEFAULT_CRON, SCHEDULE_TRIGGER, TriggerNode, Written, trigger_nodes, written_schedule
from worker.schedules.planning import Missed, Overlap
from worker.schedules.timetable import Timetable
from worker.store.schedule_models import Schedule
from worker.store.schedules import NewSchedule, add_schedule, database_now, followers, remove_followers

#: Characters of a node id by which a schedule knows its trigger.
MAX_NODE_ID = 255


@dataclass(frozen=True, slots=True)
class Trigger:
    node: TriggerNode
    timetable: Timetable

    @property
    def written(self) -> str:
        return f"{self.timetable.cron}\n{self.timetable.timezone}"


def follow_version(session: Session, app_id: str, document: Any) -> None:
    """Let an app's schedules be those that this document, its new current version, has triggers for.

    In the transaction that makes it current. A schedule whose trigger says the same as before stays as it is: paused, or changed by an
    operator. Triggers that make no sense get none: ``schedule_findings`` refuses them before.
    """
    triggers = {trigger.node.id: trigger for trigger in _triggers(document)}
    remove_followers(session, app_id, list(triggers))
    if not triggers:
        return
    known = followers(session, app_id)
    now_s = database_now(session)
    for node_id, trigger in triggers.items():
        if node_id not in known:
            _add(session, app_id, trigger, now_s)
        else:
            _follow(known[node_id], trigger, now_s)
    session.flush()


def _triggers(document: Any) -> list[Trigger]:
    found = []
    for node in trigger_nodes(document, SCHEDULE_TRIGGER):
        try:
            written = written_schedule(node.data)
            found.append(Trigger(node, Timetable.of(written.cron, written.timezone)))
        except ValueError:
            continue
    return [trigger for trigger in found if len(trigger.node.id) <= MAX_NODE_ID]


def _add(session: Session, app_id: str, trigger: Trigger, now_s: float) -> None:
    new = NewSchedule(
        app_id=app_id,
        name=trigger.node.title,
        cron=trigger.timetable.cron,
        timezone=trigger.timetable.timezone,
        inputs={},
        missed=Missed.ONCE.value,
        overlap=Overlap.ALLOW.value,
        node_id=trigger.node.id,
        written=trigger.written,
    )
    add_schedule(session, new, trigger.timetable.after(now_s))


def _follow(schedule: Schedule, trigger: Trigger, now_s: float) -> None:
    schedule.name = trigger.node.title
    if schedule.written != trigger.written:
        schedule.written = trigger.written
        schedule.cron, schedule.timezone = trigger.timetable.cron, trigger.timetable.timezone
        schedule.next_at = None if schedule.paused_at is not None else trigger.timetable.after(now_s)


def schedule_findings(document: Any) -> list[Finding]:
    """What is wrong, or odd, with the schedule triggers of a document."""
    return [finding for node in trigger_nodes(document, SCHEDULE_TRIGGER) if (finding := _finding(node)) is not None]


def _finding(node: TriggerNode) -> Finding | None:
    place = {"node_id": node.id, "node_title": node.title}
    if len(node.id) > MAX_NODE_ID:
        return Finding("invalid_schedule", f"the id of a schedule trigger must not be longer than {MAX_NODE_ID} characters", **place)
    try:
        written = written_schedule(node.data)
        Timetable.of(written.cron, written.timezone)
    except ValueError as error:
        return Finding("invalid_schedule", str(error).rstrip("."), **place)
    if written == Written(DEFAULT_CRON, "UTC"):
        message = "the schedule is every day at 12:00 AM UTC: exports say so whatever was set; `penstock schedules change` sets another one"
        return Finding("default_schedule", message, level="warning", **place)
    return None
