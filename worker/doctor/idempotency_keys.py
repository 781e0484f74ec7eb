"""Idempotency keys are forgotten after their day."""

from __future__ import annotations

from collections.abc import Sequence

from worker.doctor.finding import Check
from worker.doctor.rows import Rows, Wrong
from worker.store.clock import now_s
from worker.store.idempotency import KEPT_S
from worker.store.models import IDEMPOTENCY_KEYS
from worker.store.session import Database

#: Seconds that the sweeper may take to come to a key.
GRACE_S = 3600.0

KEYS = Check(
    "idempotency-keys",
    f"No idempotency key is kept for more than {GRACE_S:g} s after its {KEPT_S / 3600:g} hours.",
    "It also keeps its run from being removed by its age. See that workers are up and reach the database: one of them sweeps, and its log "
    "says what it does.",
)

IS_OLD = IDEMPOTENCY_KEYS.c.created_at < now_s() - KEPT_S - GRACE_S


WRONGS: Sequence[Wrong] = ((IS_OLD, "has an idempotency key that should be forgotten"),)


def idempotency_keys(database: Database) -> Rows:
    """Its keys are the ids of the runs that keys stand for."""
    return Rows(database, KEYS, IDEMPOTENCY_KEYS.c.run_id, WRONGS, settle_s=1.0)
