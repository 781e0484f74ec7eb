"""When a schedule is due: a cron expression on the clock of a time zone.

Changes of that clock are taken as Debian's cron takes them, which cronsim follows. A time that a change skips fires once, at the first
minute after the gap; one that comes twice fires the first time. Expressions whose minute or hour begins with ``*`` go by the time that
passes instead: every quarter of an hour stays every quarter of an hour.
"""

from __future__ import annotations

import re
import zoneinfo
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo

#: What stands for five fields.
NAMES = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}

MAX_CRON_LENGTH = 255
MAX_ZONE_LENGTH = 64

ZONE = re.compile(r"[A-Za-z0-9_+\-]+(/[A-Za-z0-9_+\-]+)*")

#: Seconds before the end of a span from which the last due times in it are looked for, until enough are found: an hour, a day, a month ...
LOOK_BACKS_S = (3600.0, 86400.0, 32 * 86400.0, 370 * 86400.0, 9 * 366 * 86400.0)


@dataclass(frozen=True, slots=True)
class Timetable:
    """Times are epoch seconds; due times are whole minutes."""

    cron: str
    timezone: str

    @classmethod
    def of(cls, cron: str, timezone: str) -> Timetable:
        """Raises ``ValueError``, a sentence that says what is wrong with which of them."""
        text = " ".join(cron.split())
        if len(text) > MAX_CRON_LENGTH:
            raise ValueError(f"The cron expression must not be longer than {MAX_CRON_LENGTH} characters.")
        made = cls(text, timezone.strip())
        zone_of(made.timezone)
        made._check()
        return made

    def after(self, time_s: float) -> float | None:
        """The first due time after this one; None: there is none within fifty years."""
        return next(self.times_after(time_s), None)

    def times_after(self, time_s: float) -> Iterator[float]:
        """Due times, in order, as many as there are."""
        from cronsim import CronSim

        start = datetime.fromtimestamp(time_s, UTC).astimezone(zone_of(self.timezone))
        # An iterator of local time begins at the first of two equal hours, also in the second one.
        for found in CronSim(fields_of(self.cron), start):
            due_s = found.timestamp()
            if due_s > time_s:
                yield due_s

    def last_between(self, first_s: float, until_s: float, count: int) -> tuple[list[float], bool]:
        """The last due times from ``first_s`` on and not after ``until_s``, ``count`` at most; and whether there are earlier ones.

        Looks at little more than it answers, however long the span is.
        """
        for look_back_s in (*LOOK_BACKS_S, until_s - first_s):
            begin_s = max(first_s, until_s - look_back_s)
            found = self._between(begin_s, until_s)
            if len(found) > count or begin_s == first_s:
                return found[-count:], len(found) > count
        return found[-count:], len(found) > count

    def _between(self, first_s: float, until_s: float) -> list[float]:
        found = []
        for due_s in self.times_after(first_s - 1.0):
            if due_s > until_s:
                break
            found.append(due_s)
        return found

    def _check(self) -> None:
        from cronsim import CronSim, CronSimError

        fields = fields_of(self.cron)
        if len(fields.split()) != 5:
            raise ValueError(
                f"The cron expression {self.cron!r} must have five fields, minute, hour, day of month, month and day of week, "
                f"or be one of {', '.join(NAMES)}."
            )
        try:
            is_ever_due = next(CronSim(fields, datetime.now(UTC)), None) is not None
        except CronSimError as error:
            raise ValueError(f"The cron expression {self.cron!r} cannot be read: {str(error).lower()}.") from error
        if not is_ever_due:
            raise ValueError(f"The cron expression {self.cron!r} names no day that there is.")


def fields_of(cron: str) -> str:
    return NAMES.get(cron.lower(), cron)


def zone_of(name: str) -> tzinfo:
    """A time zone by its IANA name. Raises ``ValueError``."""
    try:
        if len(name) <= MAX_ZONE_LENGTH and ZONE.fullmatch(name):
            return UTC if name in ("UTC", "Etc/UTC") else zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, OSError, ValueError):
        pass
    raise ValueError(f"There is no time zone {name[:MAX_ZONE_LENGTH]!r}: it must be an IANA name such as Europe/Berlin.")
