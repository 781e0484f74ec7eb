"""time: the current time, conversions, the day of the week."""

from __future__ import annotations

import calendar
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, date, datetime
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

from worker.engine.errors import NodeError
from worker.engine.node import NodeContext
from worker.engine.tools import TextMessage, ToolMessage, ToolParameter
from worker.tools.function_tool import FunctionTool, by_name

FORMAT = "%Y-%m-%d %H:%M:%S"

#: Zones of parameters that the document leaves open.
USUAL_ZONE = "Asia/Shanghai"
USUAL_TARGET = "Asia/Tokyo"

Parameters = Mapping[str, Any]

T = TypeVar("T")


def current_time(parameters: Parameters, context: NodeContext) -> Iterator[ToolMessage]:
    moment = datetime.fromtimestamp(context.ports.clock.now(), zone(parameters.get("timezone") or "UTC"))
    yield TextMessage(moment.strftime(parameters.get("format") or FORMAT))


def timezone_conversion(parameters: Parameters, context: NodeContext) -> Iterator[ToolMessage]:
    moment = local_time(parameters["current_time"], parameters["current_timezone"])
    yield TextMessage(moment.astimezone(zone(parameters["target_timezone"])).strftime(FORMAT))


def localtime_to_timestamp(parameters: Parameters, context: NodeContext) -> Iterator[ToolMessage]:
    yield TextMessage(str(int(local_time(parameters["localtime"], parameters["timezone"]).timestamp())))


def timestamp_to_localtime(parameters: Parameters, context: NodeContext) -> Iterator[ToolMessage]:
    timestamp = parameters["timestamp"]
    moment = checked(lambda: datetime.fromtimestamp(timestamp, zone(parameters["timezone"])), f"Invalid timestamp: {timestamp}")
    yield TextMessage(moment.strftime(FORMAT))


def weekday(parameters: Parameters, context: NodeContext) -> Iterator[ToolMessage]:
    parts = [parameters.get(name) for name in ("year", "month", "day")]
    try:
        day = date(*(int(part or 0) for part in parts))
    except (ValueError, OverflowError):
        yield TextMessage("Invalid date: Year {}, Month {}, Day {}.".format(*parts))
        return
    yield TextMessage(f"{calendar.month_name[day.month]} {day.day}, {day.year} is {calendar.day_name[day.weekday()]}.")


def zone(name: str) -> ZoneInfo:
    # Besides unknown names, ZoneInfo refuses some with errors of the file system: directories, names that are too long.
    return checked(lambda: ZoneInfo(name), f"Invalid timezone: {name}")


def local_time(text: str, zone_name: str) -> datetime:
    naive = checked(lambda: datetime.strptime(text, FORMAT), f"Invalid time: {text!r} is not of the form YYYY-MM-DD HH:MM:SS")
    return naive.replace(tzinfo=zone(zone_name) if zone_name else UTC)


def checked(make: Callable[[], T], refusal: str) -> T:
    try:
        return make()
    except (ValueError, OverflowError, OSError, KeyError) as error:
        raise NodeError(refusal) from error


def zone_parameter(name: str, default: str) -> ToolParameter:
    return ToolParameter(name, "select", default=default, description="IANA time zone, such as Europe/Berlin")


TOOLS = by_name(
    FunctionTool(
        "current_time",
        "Tells the current date and time.",
        (
            ToolParameter("format", default=FORMAT, is_setting=True, description="Form of the answer, in the codes of strftime"),
            ToolParameter("timezone", "select", default="UTC", is_setting=True, description="IANA time zone"),
        ),
        current_time,
    ),
    FunctionTool(
        "timezone_conversion",
        "Converts a time from one time zone to another.",
        (
            ToolParameter("current_time", required=True, description="The time, as YYYY-MM-DD HH:MM:SS"),
            zone_parameter("current_timezone", USUAL_ZONE),
            zone_parameter("target_timezone", USUAL_TARGET),
        ),
        timezone_conversion,
    ),
    FunctionTool(
        "weekday",
        "Tells the day of the week of a date.",
        tuple(ToolParameter(name, "number", required=True, description=f"{name} as a number") for name in ("year", "month", "day")),
        weekday,
    ),
    FunctionTool(
        "localtime_to_timestamp",
        "Converts a local time to a Unix timestamp.",
        (
            ToolParameter("localtime", required=True, description="The time, as YYYY-MM-DD HH:MM:SS"),
            zone_parameter("timezone", USUAL_ZONE),
        ),
        localtime_to_timestamp,
    ),
    FunctionTool(
        "timestamp_to_localtime",
        "Converts a Unix timestamp to a local time.",
        (
            ToolParameter("timestamp", "number", required=True, description="Seconds since 1970"),
            zone_parameter("timezone", USUAL_ZONE),
        ),
        timestamp_to_localtime,
    ),
)
