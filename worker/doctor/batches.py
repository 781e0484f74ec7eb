"""Every item of a batch is accounted for (reliability.md section 1.10)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sqlalchemy import case, func, select
from sqlalchemy.orm import Session

from worker.doctor.finding import Check, Finding
from worker.doctor.rows import pages
from worker.store.batch_facts import COUNT_COLUMNS, FINAL, BatchCounts, BatchStatus, ItemStatus
from worker.store.batch_models import BATCH_ITEMS, BATCHES, IS_RUNNING
from worker.store.clock import now_s
from worker.store.models import RUNS
from worker.store.session import Database

#: Batches of one look: each of their items is counted.
BATCH = 20

#: Seconds in which the dispatcher notes the end of a run, and ends or removes a batch whose time is up.
LATE_S = 60.0

COUNTS = Check(
    "batch-counts",
    "The counts of a batch are those of its items, and a batch that has ended has no item that waits or runs.",
    "Rows were changed past the product, or a dump was restored in part. Correct the counts, or report it.",
)

DISPATCH = Check(
    "batch-dispatch",
    f"The end of a batch's run is noted within {LATE_S:g} s, and a batch whose time is up, or whose upload was given up, does not stay.",
    "See that workers are up and reach the database: one of them dispatches batches, and its log says what it does.",
)


class Batches:
    """An ``Area``: its keys are ids of batches."""

    checks = (COUNTS, DISPATCH)
    settle_s = 2.0

    def __init__(self, database: Database) -> None:
        self._database = database

    def batches(self) -> Iterator[Sequence[str]]:
        return pages(self._database, BATCHES.c.id, BATCH)

    def look(self, keys: Sequence[str]) -> list[Finding]:
        with self._database.snapshot() as session:
            return [*_miscounted(session, keys), *_forgotten(session, keys), *_overdue(session, keys)]


def _miscounted(session: Session, ids: Sequence[str]) -> Iterator[Finding]:
    items = BATCH_ITEMS.c
    numbers = (func.count(case((items.status == status, 1))).label(COUNT_COLUMNS[status]) for status in ItemStatus)
    counted = select(items.batch_id, func.count().label("total"), *numbers).where(items.batch_id.in_(ids)).group_by(items.batch_id)
    found = {row.batch_id: row for row in session.execute(counted)}
    # What is being made, or being removed in steps, is not looked at.
    for batch in session.execute(select(BATCHES).where(BATCHES.c.id.in_(ids), BATCHES.c.status != BatchStatus.VALIDATING)):
        for name in BatchCounts.__slots__:
            said, there = getattr(batch, name), getattr(found.get(batch.id), name, 0)
            if said != there:
                yield COUNTS.finding(batch.id, f"says that {said} items are {name}, and there are {there}")
        if batch.status in FINAL and (batch.waiting or batch.running):
            yield COUNTS.finding(batch.id, f"has ended as {batch.status}, and {batch.waiting + batch.running} of its items have not")


def _forgotten(session: Session, ids: Sequence[str]) -> Iterator[Finding]:
    ended = select(BATCH_ITEMS.c.batch_id, BATCH_ITEMS.c.custom_id, RUNS.c.id).join(RUNS, RUNS.c.id == BATCH_ITEMS.c.run_id)
    for batch_id, custom_id, run_id in session.execute(
        ended.where(BATCH_ITEMS.c.batch_id.in_(ids), IS_RUNNING, RUNS.c.finished_at < now_s() - LATE_S)
    ):
        yield DISPATCH.finding(batch_id, f"does not know of item {custom_id!r} that its run {run_id} has ended")


def _overdue(session: Session, ids: Sequence[str]) -> Iterator[Finding]:
    late = now_s() - LATE_S
    open_ones = BATCHES.c.status.in_([BatchStatus.IN_PROGRESS, BatchStatus.PAUSED]) & (BATCHES.c.expires_at < late)
    given_up = (BATCHES.c.status == BatchStatus.VALIDATING) & (BATCHES.c.validating_until < late)
    for batch_id, status in session.execute(select(BATCHES.c.id, BATCHES.c.status).where(BATCHES.c.id.in_(ids), open_ones | given_up)):
        yield DISPATCH.finding(batch_id, f"is still {status}, although its time is up")
