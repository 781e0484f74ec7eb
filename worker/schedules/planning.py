"""What is to be done about the due times of a schedule that have passed: a function of times alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from worker.schedules.timetable import Timetable

#: Seconds after its due time at which a firing still counts as on time: workers look every second, and may be restarted.
ON_TIME_S = 60.0

#: Due times that ``Missed.ALL`` makes up for, the last ones; and as far as those that were missed are counted.
MOST_LATE = 100
MOST_COUNTED = 1000


class Missed(StrEnum):
    """What becomes of due times at which no worker was there."""

    #: One late run for all of them.
    ONCE = "once"
    #: No late run.
    SKIP = "skip"
    #: A late run for each of the last ``MOST_LATE``.
    ALL = "all"


class Overlap(StrEnum):
    """What becomes of a due time while the last run of the schedule has not ended."""

    #: No run.
    SKIP = "skip"
    #: A run when that one has ended.
    WAIT = "wait"
    #: A run beside it.
    ALLOW = "allow"


@dataclass(frozen=True, slots=True)
class Due:
    """A due time that has to be dealt with."""

    at: float
    #: Due times before it that are not dealt with by themselves; ``MOST_COUNTED`` stands for that many and more.
    missed: int = 0
    #: It is too late for a run.
    is_dropped: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    #: In order.
    due: Sequence[Due]
    #: Due time that comes after them.
    next_at: float | None


def plan(timetable: Timetable, next_at: float, now_s: float, missed: Missed) -> Plan:
    """What to do at ``now_s`` about a schedule whose due times up to ``next_at`` have been dealt with, that one not.

    Looks at times alone: it is the same plan whenever and wherever it is made, and a clock that jumps back makes no due time come again.
    """
    if next_at > now_s:
        return Plan((), next_at)
    wanted = MOST_LATE if missed is Missed.ALL else 1
    times, has_more = timetable.last_between(next_at, now_s, wanted)
    if not times:
        # The time table was changed since ``next_at`` was one of its times.
        return Plan((), timetable.after(now_s))
    passed = count_before(timetable, next_at, times[0]) if has_more else 0
    due = [Due(at, passed if number == 0 else 0, is_dropped(at, now_s, missed)) for number, at in enumerate(times)]
    return Plan(due, timetable.after(now_s))


def is_dropped(due_s: float, now_s: float, missed: Missed) -> bool:
    return missed is Missed.SKIP and now_s - due_s > ON_TIME_S


def count_before(timetable: Timetable, first_s: float, end_s: float) -> int:
    """Due times from ``first_s`` on and before ``end_s``; counts no further than ``MOST_COUNTED``."""
    times, _ = timetable.last_between(first_s, end_s - 1.0, MOST_COUNTED)
    return len(times)
