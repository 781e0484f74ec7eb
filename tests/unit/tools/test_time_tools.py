import pytest

from tests.unit.nodes.tooling import World
from tests.unit.tools.calling import text
from worker.engine.errors import NodeError


class Stopped:
    def now(self):
        return 1_700_000_000.5

    def monotonic(self):
        return 0.0


@pytest.fixture
def world():
    return World(clock=Stopped())


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({}, "2023-11-14 22:13:20"),
        ({"timezone": "Asia/Shanghai"}, "2023-11-15 06:13:20"),
        ({"format": "%H:%M", "timezone": "America/New_York"}, "17:13"),
    ],
)
def test_the_current_time(world, parameters, expected):
    assert text(world, "time", "current_time", **parameters) == expected


@pytest.mark.parametrize(
    ("tool", "parameters", "expected"),
    [
        ("timezone_conversion", {"current_time": "2024-01-01 08:00:00"}, "2024-01-01 09:00:00"),
        (
            "timezone_conversion",
            {"current_time": "2024-07-01 08:00:00", "current_timezone": "UTC", "target_timezone": "Europe/Berlin"},
            "2024-07-01 10:00:00",
        ),
        ("weekday", {"year": 2024, "month": "2", "day": 29}, "February 29, 2024 is Thursday."),
        ("weekday", {"year": 2023, "month": 2, "day": 29}, "Invalid date: Year 2023, Month 2, Day 29."),
        ("localtime_to_timestamp", {"localtime": "2024-01-01 08:00:00"}, "1704067200"),
        ("localtime_to_timestamp", {"localtime": "2024-01-01 00:00:00", "timezone": "UTC"}, "1704067200"),
        ("timestamp_to_localtime", {"timestamp": "1704067200"}, "2024-01-01 08:00:00"),
    ],
)
def test_conversions(world, tool, parameters, expected):
    assert text(world, "time", tool, **parameters) == expected


@pytest.mark.parametrize(
    ("tool", "parameters", "message"),
    [
        ("current_time", {"timezone": "Mars/Olympus"}, "Invalid timezone: Mars/Olympus"),
        ("current_time", {"timezone": "../../etc/passwd"}, "Invalid timezone: ../../etc/passwd"),
        ("localtime_to_timestamp", {"localtime": "now"}, "Invalid time: 'now' is not of the form YYYY-MM-DD HH:MM:SS"),
        ("timestamp_to_localtime", {"timestamp": 10**30}, f"Invalid timestamp: {10**30}"),
    ],
)
def test_what_is_no_time_is_refused(world, tool, parameters, message):
    with pytest.raises(NodeError) as caught:
        text(world, "time", tool, **parameters)

    assert caught.value.message == message
