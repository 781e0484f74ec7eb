from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from worker.schedules.timetable import Timetable

BERLIN = "Europe/Berlin"


def at(text: str, zone: str = "UTC", fold: int = 0) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone), fold=fold).timestamp()


def next_times(cron: str, zone: str, after: float, count: int) -> list[str]:
    """Local times with their distance to UTC."""
    times = Timetable.of(cron, zone).times_after(after)
    return [datetime.fromtimestamp(next(times), ZoneInfo(zone)).isoformat(timespec="minutes") for _ in range(count)]


@pytest.mark.parametrize(
    ("cron", "first", "second"),
    [
        ("30 9 * * 1-5", "2025-01-03T09:30+00:00", "2025-01-06T09:30+00:00"),
        ("*/15 * * * *", "2025-01-03T00:15+00:00", "2025-01-03T00:30+00:00"),
        ("0 0 L * *", "2025-01-31T00:00+00:00", "2025-02-28T00:00+00:00"),
        ("0 0 31 * *", "2025-01-31T00:00+00:00", "2025-03-31T00:00+00:00"),
        ("0 12 1,L * *", "2025-01-31T12:00+00:00", "2025-02-01T12:00+00:00"),
        ("0 0 * jan sun", "2025-01-05T00:00+00:00", "2025-01-12T00:00+00:00"),
        ("@daily", "2025-01-04T00:00+00:00", "2025-01-05T00:00+00:00"),
        ("@HOURLY", "2025-01-03T01:00+00:00", "2025-01-03T02:00+00:00"),
        ("  0   0 * *  7 ", "2025-01-05T00:00+00:00", "2025-01-12T00:00+00:00"),
        # Either day, as in crontab(5).
        ("0 0 13 * 5", "2025-01-10T00:00+00:00", "2025-01-13T00:00+00:00"),
    ],
)
def test_due_times_come_in_order(cron: str, first: str, second: str) -> None:
    assert next_times(cron, "UTC", at("2025-01-03T00:00"), 2) == [first, second]


def test_a_due_time_comes_after_and_never_at_the_time_asked_for() -> None:
    noon = at("2025-01-03T12:00")

    assert Timetable.of("0 12 * * *", "UTC").after(noon) == noon + 86400
    assert Timetable.of("0 12 * * *", "UTC").after(noon - 0.001) == noon


def test_a_time_that_a_clock_change_skips_fires_once_right_after_the_gap() -> None:
    # On 2025-03-30 the clock of Berlin goes from 02:00 to 03:00.
    assert next_times("30 2 * * *", BERLIN, at("2025-03-29T12:00", BERLIN), 2) == ["2025-03-30T03:00+02:00", "2025-03-31T02:30+02:00"]


def test_a_time_that_comes_twice_fires_the_first_time() -> None:
    # On 2025-10-26 the clock of Berlin goes from 03:00 back to 02:00.
    assert next_times("30 2 * * *", BERLIN, at("2025-10-25T12:00", BERLIN), 2) == ["2025-10-26T02:30+02:00", "2025-10-27T02:30+01:00"]


@pytest.mark.parametrize("after", ["2025-10-26T02:15", "2025-10-26T02:45"])
def test_in_the_second_of_two_equal_hours_the_first_one_is_over(after: str) -> None:
    assert next_times("30 2 * * *", BERLIN, at(after, BERLIN, fold=1), 1) == ["2025-10-27T02:30+01:00"]


def test_what_goes_by_the_time_that_passes_is_not_moved_by_clock_changes() -> None:
    assert next_times("*/30 * * * *", BERLIN, at("2025-10-26T01:45", BERLIN), 5) == [
        "2025-10-26T02:00+02:00",
        "2025-10-26T02:30+02:00",
        "2025-10-26T02:00+01:00",
        "2025-10-26T02:30+01:00",
        "2025-10-26T03:00+01:00",
    ]
    assert next_times("0 * * * *", BERLIN, at("2025-03-30T01:00", BERLIN), 2) == ["2025-03-30T03:00+02:00", "2025-03-30T04:00+02:00"]


@pytest.mark.parametrize(
    ("cron", "zone", "words"),
    [
        ("* * * *", "UTC", "five fields"),
        ("0 * * * * *", "UTC", "five fields"),
        ("@reboot", "UTC", "@daily"),
        ("", "UTC", "five fields"),
        ("61 * * * *", "UTC", "bad minute"),
        ("* * * * fun", "UTC", "bad day-of-week"),
        ("0 0 31 2 *", "UTC", "bad day-of-month"),
        ("* " * 300, "UTC", "255 characters"),
        ("* * * * *", "Europe/Atlantis", "no time zone 'Europe/Atlantis'"),
        ("* * * * *", "../../etc/passwd", "no time zone"),
        ("* * * * *", "/etc/localtime", "no time zone"),
        ("* * * * *", "Europe", "no time zone"),
        ("* * * * *", "", "no time zone"),
    ],
)
def test_what_cannot_be_a_timetable_is_refused(cron: str, zone: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Timetable.of(cron, zone)


def test_the_last_due_times_of_a_long_span_are_found_without_going_through_it() -> None:
    until = at("2025-01-03T12:00:30")
    every_minute = Timetable.of("* * * * *", "UTC")

    assert every_minute.last_between(at("1975-01-01T00:00"), until, 2) == ([at("2025-01-03T11:59"), at("2025-01-03T12:00")], True)
    assert Timetable.of("0 0 29 2 *", "UTC").last_between(0.0, until, 1) == ([at("2024-02-29T00:00")], True)
    assert Timetable.of("0 0 29 2 *", "UTC").last_between(at("2024-02-29T00:00"), until, 1) == ([at("2024-02-29T00:00")], False)
    assert Timetable.of("0 0 1 1 *", "UTC").last_between(at("2025-01-02T00:00"), until, 1) == ([], False)


@pytest.mark.parametrize("cron", ["30 2 * * *", "*/20 * * * *", "0 2,3 * * *", "59 1 * * 0"])
@pytest.mark.parametrize("day", ["2025-03-30", "2025-10-26"])
def test_due_times_are_the_same_wherever_one_begins_to_look(cron: str, day: str) -> None:
    timetable = Timetable.of(cron, BERLIN)
    begin, end = at(f"{day}T00:00", BERLIN), at(f"{day}T06:00", BERLIN)
    times, _ = timetable.last_between(begin, end, 100)

    for minute in range(int((end - begin) / 60)):
        start = begin + minute * 60.0
        assert timetable.after(start) == next((time for time in times if time > start), timetable.after(end))
