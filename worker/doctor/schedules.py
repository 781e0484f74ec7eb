"""Every schedule rests, or is fired when it is due."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import and_

from worker.doctor.finding import Check
from worker.doctor.rows import Rows, Wrong
from worker.schedules.planning import Overlap
from worker.store.clock import now_s
from worker.store.schedule_models import SCHEDULES
from worker.store.session import Database

#: Seconds that a due time may wait, but where it waits for the run before it: for a worker, or for the limits of the app.
LATE_S = 3600.0

IS_LATE = and_(SCHEDULES.c.next_at < now_s() - LATE_S, SCHEDULES.c.overlap != Overlap.WAIT.value)

#: What a schedule must not be, each with how that is said.
WRONGS: Sequence[Wrong] = (
    (IS_LATE, f"has been due for more than {LATE_S:g} s"),
    (and_(SCHEDULES.c.paused_at.is_not(None), SCHEDULES.c.next_at.is_not(None)), "is paused, and would fire"),
    (and_(SCHEDULES.c.paused_at.is_(None), SCHEDULES.c.next_at.is_(None)), "is not paused, and will never fire"),
)

SCHEDULED = Check(
    "schedules",
    f"A schedule is paused or has a due time before it, and none is due for more than {LATE_S:g} s.",
    "See that workers are up and reach the database, and that the app has not reached its limits; `penstock schedules show` tells what "
    "became of the last due times, `penstock schedules resume` finds the next one.",
)


def schedules(database: Database) -> Rows:
    return Rows(database, SCHEDULED, SCHEDULES.c.id, WRONGS, settle_s=3.0)
