"""When runs that were sent were claimed."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from worker.store.models import RUNS


def claim_delays(session: Session, run_ids: Sequence[str]) -> dict[str, float | None]:
    """Of those that were claimed: seconds from being stored to the first claim, by the database's clock; None: ended without one."""
    is_claimed = or_(RUNS.c.started_at.is_not(None), RUNS.c.finished_at.is_not(None))
    rows = session.execute(select(RUNS.c.id, RUNS.c.started_at - RUNS.c.created_at).where(RUNS.c.id.in_(run_ids), is_claimed))
    return {run_id: delay_s for run_id, delay_s in rows}
