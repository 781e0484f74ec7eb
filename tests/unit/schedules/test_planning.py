from __future__ import annotations

import pytest

from worker.schedules.planning import MOST_COUNTED, MOST_LATE, Due, Missed, Plan, plan
from worker.schedules.timetable import Timetable

HOURLY = Timetable.of("0 * * * *", "UTC")
MINUTELY = Timetable.of("* * * * *", "UTC")
HOUR = 3600.0

#: A whole hour.
NOON = 480_000 * HOUR


@pytest.mark.parametrize("missed", Missed)
def test_what_is_not_due_waits(missed: Missed) -> None:
    assert plan(HOURLY, NOON, NOON - 0.001, missed) == Plan((), NOON)


@pytest.mark.parametrize("missed", Missed)
@pytest.mark.parametrize("late_s", [0.0, 1.5, 60.0])
def test_what_is_due_is_on_time_for_a_minute(missed: Missed, late_s: float) -> None:
    assert plan(HOURLY, NOON, NOON + late_s, missed) == Plan([Due(NOON)], NOON + HOUR)


def test_once_means_one_late_run_for_all_that_were_missed() -> None:
    assert plan(HOURLY, NOON, NOON + 5.5 * HOUR, Missed.ONCE) == Plan([Due(NOON + 5 * HOUR, missed=5)], NOON + 6 * HOUR)
    assert plan(HOURLY, NOON, NOON + 0.5 * HOUR, Missed.ONCE) == Plan([Due(NOON)], NOON + HOUR)


def test_skip_means_no_late_run() -> None:
    assert plan(HOURLY, NOON, NOON + 5.5 * HOUR, Missed.SKIP) == Plan([Due(NOON + 5 * HOUR, missed=5, is_dropped=True)], NOON + 6 * HOUR)
    # The last one is on time, the ones before it are not.
    assert plan(HOURLY, NOON, NOON + 5 * HOUR + 30, Missed.SKIP) == Plan([Due(NOON + 5 * HOUR, missed=5)], NOON + 6 * HOUR)


def test_all_means_a_late_run_for_each() -> None:
    made = plan(HOURLY, NOON, NOON + 2.5 * HOUR, Missed.ALL)

    assert made == Plan([Due(NOON), Due(NOON + HOUR), Due(NOON + 2 * HOUR)], NOON + 3 * HOUR)


def test_all_is_bounded() -> None:
    made = plan(MINUTELY, NOON, NOON + 24 * HOUR, Missed.ALL)

    assert len(made.due) == MOST_LATE
    assert [due.missed for due in made.due[:2]] == [MOST_COUNTED, 0]
    assert (made.due[-1].at, made.next_at) == (NOON + 24 * HOUR, NOON + 24 * HOUR + 60)


def test_years_of_minutes_are_counted_up_to_a_bound() -> None:
    (due,) = plan(MINUTELY, NOON, NOON + 50_000 * HOUR, Missed.ONCE).due

    assert (due.at, due.missed) == (NOON + 50_000 * HOUR, MOST_COUNTED)


def test_a_clock_that_jumps_ahead_and_back_fires_nothing_twice() -> None:
    ahead = plan(HOURLY, NOON, NOON + 3 * HOUR, Missed.ONCE)
    assert ahead.next_at == NOON + 4 * HOUR

    assert plan(HOURLY, ahead.next_at, NOON + 1, Missed.ONCE) == Plan((), NOON + 4 * HOUR)
    assert plan(HOURLY, ahead.next_at, NOON + 4 * HOUR, Missed.ONCE).due == [Due(NOON + 4 * HOUR)]


def test_a_due_time_of_an_earlier_timetable_is_dropped() -> None:
    assert plan(HOURLY, NOON + 60, NOON + 120, Missed.ONCE) == Plan((), NOON + HOUR)
