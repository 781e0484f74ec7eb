"""Every schedule rests, or is fired when it is due."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sqlalchemy import ColumnElement, and_, or_, select

from worker.doctor.finding import Check, Finding
from worker.schedules.planning import Overlap
from worker.store.clock import now_s
from worker.store.schedule_models import SCHEDULES
from worker.store.session import Database

#: Schedules of one batch.
BATCH = 500

#: Seconds that a due time may wait, but where it waits for the run before it: for a worker, or for the limits of the app.
LATE_S = 3600.0

IS_LATE = and_(SCHEDULES.c.next_at < now_s() - LATE_S, SCHEDULES.c.overlap != Overlap.WAIT.value)

#: What a schedule must not be, each with how that is said.
WRONGS: Sequence[tuple[ColumnElement[bool], str]] = (
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


class Schedules:
    """An ``Area``: its keys are ids of schedules."""

    checks = (SCHEDULED,)
    settle_s = 3.0

    def __init__(self, database: Database) -> None:
        self._database = database

    def batches(self) -> Iterator[Sequence[str]]:
        after = ""
        while batch := self._batch_after(after):
            yield batch
            after = batch[-1]

    def _batch_after(self, after: str) -> Sequence[str]:
        ids = select(SCHEDULES.c.id).where(SCHEDULES.c.id > after).order_by(SCHEDULES.c.id).limit(BATCH)
        with self._database.read() as session:
            return session.scalars(ids).all()

    def look(self, keys: Sequence[str]) -> list[Finding]:
        wrongs = [wrong for wrong, _ in WRONGS]
        with self._database.read() as session:
            rows = session.execute(select(SCHEDULES.c.id, *wrongs).where(SCHEDULES.c.id.in_(keys), or_(*wrongs))).all()
        return [SCHEDULED.finding(row[0], text) for row in rows for is_so, (_, text) in zip(row[1:], WRONGS, strict=True) if is_so]
