"""Trigger nodes of a stored document, and when a schedule trigger fires (nodes.md section 6.21)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from worker.engine.normalise import identifier

SCHEDULE_TRIGGER = "trigger-schedule"
WEBHOOK_TRIGGER = "trigger-webhook"

WEEKDAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")

#: Times as the editor writes them, ``2:30 PM``; ``14:30`` is understood too.
TIME = re.compile(r"\s*(\d{1,2}):(\d{2})(?:\s*([AaPp])\.?[Mm]\.?)?\s*")

#: What the editor begins with. Exports have it in every schedule trigger, whatever was set there.
DEFAULT_CRON = "0 0 * * *"


@dataclass(frozen=True, slots=True)
class TriggerNode:
    id: str
    title: str
    data: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Written:
    """When a schedule trigger fires, as its document says."""

    #: Five fields.
    cron: str
    #: IANA name.
    timezone: str


def trigger_nodes(document: Any, kind: str) -> list[TriggerNode]:
    """The trigger nodes of one type, in document order; of a document that cannot be read, none."""
    return list(_nodes(document, kind))


def _nodes(document: Any, kind: str) -> Iterator[TriggerNode]:
    graph = _mapping(_mapping(_mapping(document).get("workflow")).get("graph"))
    nodes = graph.get("nodes")
    for node in nodes if isinstance(nodes, list) else ():
        data = _mapping(_mapping(node).get("data"))
        node_id = identifier(_mapping(node).get("id"))
        if node_id and data.get("type") == kind:
            yield TriggerNode(node_id, identifier(data.get("title")) or node_id, data)


def written_schedule(data: Mapping[str, Any]) -> Written:
    """Cron and time zone of a schedule trigger's ``data``. Raises ``ValueError``, a sentence without its full stop.

    Whether cron and zone exist is not looked at.
    """
    timezone = _text(data, "timezone", "UTC")
    if _text(data, "mode", "visual") == "cron":
        cron = _text(data, "cron_expression", "")
        if not cron:
            raise ValueError("'cron_expression' is required in mode 'cron'")
        return Written(cron, timezone)
    return Written(_visual_cron(_text(data, "frequency", "daily"), _mapping(data.get("visual_config"))), timezone)


def _visual_cron(frequency: str, settings: Mapping[str, Any]) -> str:
    if frequency == "hourly":
        return f"{_number(settings, 'on_minute', 0, 59)} * * * *"
    minute, hour = _time(settings)
    if frequency == "daily":
        return f"{minute} {hour} * * *"
    if frequency == "weekly":
        return f"{minute} {hour} * * {_weekdays(settings)}"
    if frequency == "monthly":
        return f"{minute} {hour} {_days(settings)} * *"
    raise ValueError(f"'frequency' must be hourly, daily, weekly or monthly, not {frequency!r}")


def _time(settings: Mapping[str, Any]) -> tuple[int, int]:
    """Minute and hour."""
    text = settings.get("time") or "12:00 AM"
    found = TIME.fullmatch(text) if isinstance(text, str) else None
    if found is None:
        raise ValueError(f"'visual_config.time' must be a time such as 2:30 PM, not {text!r}")
    hour, minute, half = int(found[1]), int(found[2]), (found[3] or "").lower()
    if (half and not 1 <= hour <= 12) or hour > 23 or minute > 59:
        raise ValueError(f"'visual_config.time' must be a time such as 2:30 PM, not {text!r}")
    return minute, hour % 12 + (12 if half == "p" else 0) if half else hour


def _weekdays(settings: Mapping[str, Any]) -> str:
    days = [day.lower()[:3] if isinstance(day, str) else day for day in _items(settings, "weekdays", ["sun"])]
    if not set(days) <= set(WEEKDAYS):
        raise ValueError(f"'visual_config.weekdays' must be days such as mon and tue, not {days!r}")
    return ",".join(str(number) for number, day in enumerate(WEEKDAYS) if day in days)


def _days(settings: Mapping[str, Any]) -> str:
    """Days of the month; a month without one of them does without it, as in cron."""
    days = [int(day) if isinstance(day, str) and day.isdecimal() else day for day in _items(settings, "monthly_days", [1])]
    numbers = {day for day in days if isinstance(day, int) and not isinstance(day, bool) and 1 <= day <= 31}
    if len(numbers) + ("last" in days) != len(set(map(str, days))):
        raise ValueError(f"'visual_config.monthly_days' must be days from 1 to 31 or 'last', not {days!r}")
    return ",".join([*map(str, sorted(numbers)), *(["L"] if "last" in days else [])])


def _items(settings: Mapping[str, Any], name: str, default: list[Any]) -> list[Any]:
    found = settings.get(name) or default
    if not isinstance(found, list):
        raise ValueError(f"'visual_config.{name}' must be a list")
    return found


def _number(settings: Mapping[str, Any], name: str, default: int, most: int) -> int:
    found = settings.get(name)
    found = default if found is None else found
    if isinstance(found, bool) or not isinstance(found, int) or not 0 <= found <= most:
        raise ValueError(f"'visual_config.{name}' must be a whole number from 0 to {most}, not {found!r}")
    return found


def _text(data: Mapping[str, Any], name: str, default: str) -> str:
    found = data.get(name) or default
    if not isinstance(found, str):
        raise ValueError(f"'{name}' must be a text")
    return found.strip()


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
