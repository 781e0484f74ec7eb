"""Idempotency keys are forgotten after their day."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sqlalchemy import select

from worker.doctor.finding import Check, Finding
from worker.store.clock import now_s
from worker.store.idempotency import KEPT_S
from worker.store.models import IDEMPOTENCY_KEYS
from worker.store.session import Database

#: Runs of one batch.
BATCH = 500

#: Seconds that the sweeper may take to come to a key.
GRACE_S = 3600.0

KEYS = Check(
    "idempotency-keys",
    f"No idempotency key is kept for more than {GRACE_S:g} s after its {KEPT_S / 3600:g} hours.",
    "It also keeps its run from being removed by its age. See that workers are up and reach the database: one of them sweeps, and its log "
    "says what it does.",
)

IS_OLD = IDEMPOTENCY_KEYS.c.created_at < now_s() - KEPT_S - GRACE_S


class IdempotencyKeys:
    """An ``Area``: its keys are ids of runs that keys stand for."""

    checks = (KEYS,)
    settle_s = 1.0

    def __init__(self, database: Database) -> None:
        self._database = database

    def batches(self) -> Iterator[Sequence[str]]:
        after = ""
        while batch := self._old_after(after):
            yield batch
            after = batch[-1]

    def look(self, keys: Sequence[str]) -> list[Finding]:
        run_id = IDEMPOTENCY_KEYS.c.run_id
        with self._database.read() as session:
            found = session.scalars(select(run_id).where(run_id.in_(keys), IS_OLD)).all()
        return [KEYS.finding(run, "has an idempotency key that should be forgotten") for run in found]

    def _old_after(self, after: str) -> Sequence[str]:
        run_id = IDEMPOTENCY_KEYS.c.run_id
        with self._database.read() as session:
            return session.scalars(select(run_id).where(run_id > after, IS_OLD).order_by(run_id).limit(BATCH)).all()
