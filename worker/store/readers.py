"""Runs as readers of their events find them (api-contract.md section 2.14)."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from worker.engine.events import RunStatus
from worker.store.identifiers import canonical_id
from worker.store.models import END_USERS, RUNS


@dataclass(frozen=True, slots=True)
class ReadableRun:
    run_id: str
    task_id: str
    #: The name by which the client knows who started the run.
    user: str
    status: RunStatus
    #: Last event that SQL has.
    last_event: int

    @property
    def is_forgotten(self) -> bool:
        """It ended so long ago that its events were removed (store/retention.py)."""
        return self.status.is_final and not self.last_event


def find_readable(session: Session, app_id: str, run_or_task_id: str) -> ReadableRun | None:
    """A run of this app by its id or its task id; None for any other text."""
    wanted = canonical_id(run_or_task_id)
    if wanted is None:
        return None
    row = session.execute(READABLE.where(RUNS.c.app_id == app_id, or_(RUNS.c.id == wanted, RUNS.c.task_id == wanted))).one_or_none()
    return None if row is None else ReadableRun(row.id, row.task_id, row.session_id, RunStatus(row.status), row.last_event)


READABLE = select(RUNS.c.id, RUNS.c.task_id, RUNS.c.status, RUNS.c.last_event, END_USERS.c.session_id).join(
    END_USERS, END_USERS.c.id == RUNS.c.end_user_id
)
