"""Runs that go on from others (engine/carrying.py): which can be gone on from, and the copy of their results.

The new run has all that it needs in rows of its own, so the old one may be deleted at any time.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from worker.engine.carrying import Carrying
from worker.engine.checkpoint import load_record
from worker.engine.events import RunStatus
from worker.engine.record import NodeRecord
from worker.engine.variables import restore_files
from worker.store.claims import store_history
from worker.store.encoding import loads
from worker.store.errors import NotResumable
from worker.store.identifiers import canonical_id
from worker.store.models import END_USERS, PAYLOADS, RUNS, NodeExecution

RESUMABLE = frozenset({RunStatus.FAILED, RunStatus.STOPPED})

#: Rows that are in memory at a time.
BATCH = 200

#: The old run counts as the new one's first attempt: whoever claims the new run does as after a lost worker, whatever its release.
INHERITED = 1


@dataclass(frozen=True, slots=True)
class EndedRun:
    """A run that another one can go on from."""

    run_id: str
    app_id: str
    workflow_id: str
    end_user_id: str
    #: The client's own name for the end user.
    user: str
    #: As in ``NewRun.inputs``.
    inputs: dict[str, Any]
    #: Node id of the trigger at which it began; None: at the start node.
    trigger_id: str | None = None


@dataclass(frozen=True, slots=True)
class Resumption:
    """What a new run takes over."""

    #: Of the old run.
    run_id: str
    carrying: Carrying
    #: Trigger at which the old run began, and so the new one.
    trigger_id: str | None = None

    @property
    def columns(self) -> dict[str, Any]:
        """What the row of the new run says of it."""
        return {"resumed_from": self.run_id, "attempt": INHERITED, "trigger_id": self.trigger_id}


def find_resumable(session: Session, app_id: str, run_id: str) -> EndedRun | None:
    """None: the app has no such run. Raises ``NotResumable`` for one that has not ended, that succeeded, or whose results are gone."""
    row = session.execute(ENDED.where(RUNS.c.id == canonical_id(run_id), RUNS.c.app_id == app_id)).one_or_none()
    if row is None:
        return None
    facts = dict(row._mapping)
    status = RunStatus(facts.pop("status"))
    if status not in RESUMABLE:
        raise NotResumable("The run succeeded: nothing is left to do." if status.is_final else "The run has not ended.")
    _check_details(facts.pop("last_event"))
    return EndedRun(**{**facts, "inputs": loads(facts["inputs"])})


ENDED = (
    select(
        RUNS.c.id.label("run_id"),
        RUNS.c.app_id,
        RUNS.c.workflow_id,
        RUNS.c.end_user_id,
        END_USERS.c.session_id.label("user"),
        PAYLOADS.c.inputs,
        RUNS.c.status,
        RUNS.c.last_event,
        RUNS.c.trigger_id,
    )
    .join(PAYLOADS, PAYLOADS.c.run_id == RUNS.c.id)
    .join(END_USERS, END_USERS.c.id == RUNS.c.end_user_id)
)


def copy_results(session: Session, run_id: str, inputs: Mapping[str, Any], resumption: Resumption) -> None:
    """Give a run that is being accepted the results that it begins with; ``inputs`` as in ``NewRun``.

    Raises ``NotResumable`` if those of the old run are gone, ``CheckpointError`` if this release cannot read them.
    """
    # Whoever removes the old run or its results waits, so that none of them is missing.
    held = select(RUNS.c.last_event).where(RUNS.c.id == resumption.run_id).with_for_update(read=True, key_share=True)
    _check_details(session.scalar(held))
    system = restore_files({name: value for name, value in inputs.items() if name.startswith("sys.")})
    carried = enumerate(resumption.carrying.carry(_read_records(session, resumption.run_id), run_id, system), 1)
    while batch := list(islice(carried, BATCH)):
        store_history(session, run_id, INHERITED, batch, None)


def _check_details(last_event: int | None) -> None:
    """Raises ``NotResumable`` for a run that lost its details to retention, and says so (store/retention.py), or that is gone (None)."""
    if not last_event:
        raise NotResumable("The results of the run have been removed because of its age.")


def _read_records(session: Session, run_id: str) -> Iterator[NodeRecord]:
    last = 0
    rows = select(NodeExecution.position, NodeExecution.record).where(NodeExecution.run_id == run_id).order_by(NodeExecution.position)
    while batch := session.execute(rows.where(NodeExecution.position > last).limit(BATCH)).all():
        yield from (load_record(loads(row.record)) for row in batch)
        last = batch[-1].position
