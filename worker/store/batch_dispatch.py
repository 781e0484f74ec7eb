"""Items of batches become runs, in the transaction that says so."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, bindparam, insert, select, update
from sqlalchemy.orm import Session

from worker.config import Config
from worker.engine.events import RunStatus
from worker.store.batch_closing import end_waiting
from worker.store.batch_facts import BatchStatus, ItemStatus
from worker.store.batch_models import BATCH_ITEMS, BATCHES, IS_WAITING
from worker.store.batch_settling import Progress, settle
from worker.store.batch_work import ITEMS, OF_BATCH, OpenBatch, lock
from worker.store.clock import now_s
from worker.store.encoding import dumps, loads
from worker.store.limits import room_of
from worker.store.models import APPS, END_USERS, PAYLOADS, RUNS, Workflow
from worker.store.new_runs import make_run
from worker.store.runs import NewRun, run_row


@dataclass(frozen=True, slots=True)
class Dispatched:
    """Runs whose tasks are to be sent after the commit; ``(run id, task id)`` each."""

    runs: Sequence[tuple[str, str]] = ()
    #: Items that failed without a run, since none can be made.
    refused: int = 0


NOTHING = Dispatched()


def dispatch(session: Session, config: Config, chosen: OpenBatch, wanted: int, queue: str) -> Dispatched:
    """Make runs of the next ``wanted`` items, for this queue; fewer where the app or the key has no room for them.

    Not to be repeated blindly: a second call makes more runs. What is not sent after the commit is sent by the sweeper.
    """
    # First of all, as for every run: the locks of the app come before that of the batch.
    room = room_of(session, config, chosen.app_id, chosen.key_id)
    batch = lock(session, chosen.id)
    if batch is None or batch.status != BatchStatus.IN_PROGRESS:
        return NOTHING
    origin = session.execute(ORIGIN, {"batch": batch.id}).one()
    problem = _problem(origin)
    if problem is not None:
        return Dispatched(refused=end_waiting(session, batch, ItemStatus.FAILED, *problem))
    count = wanted if room is None else min(wanted, room)
    return Dispatched(_begin(session, config, batch, origin.user, count, queue)) if count > 0 else NOTHING


ORIGIN = (
    select(
        END_USERS.c.session_id.label("user"),
        APPS.c.status.label("app_status"),
        APPS.c.api_enabled,
        APPS.c.workflow_id.label("current"),
        select(Workflow.id).where(Workflow.id == BATCHES.c.workflow_id).correlate(BATCHES).scalar_subquery().label("pinned"),
    )
    .select_from(BATCHES)
    .join(END_USERS, END_USERS.c.id == BATCHES.c.end_user_id)
    .join(APPS, APPS.c.id == BATCHES.c.app_id)
    .where(BATCHES.c.id == bindparam("batch"))
)


def _problem(origin: Row[*tuple[Any, ...]]) -> tuple[str, str] | None:
    """Code and sentence for items that cannot become runs just now."""
    if origin.app_status != "normal" or not origin.api_enabled:
        return "app_unavailable", "The app was disabled before the item began."
    if origin.current is None:
        return "workflow_not_published", "The workflow was unpublished before the item began."
    if origin.pinned is None:
        return "workflow_not_found", "The version of the workflow that the batch was made for was removed before the item began."
    return None


def _begin(session: Session, config: Config, batch: Row[*tuple[Any, ...]], user: str, count: int, queue: str) -> list[tuple[str, str]]:
    items = session.execute(NEXT_ITEMS, {"batch": batch.id, "count": count}).all()
    if not items:
        return []
    runs = [_run_of(config, batch, user, item, queue) for item in items]
    last = session.execute(NEXT_NUMBERS, {"app": batch.app_id, "count": len(runs)}).scalar_one()
    session.execute(INSERT_RUNS, [run_row(run, number) for number, run in enumerate(runs, last - len(runs) + 1)])
    session.execute(insert(PAYLOADS), [{"run_id": run.run_id, "inputs": dumps(run.inputs), "webhook": None} for run in runs])
    session.execute(
        BEGIN_ITEM, [{"batch": batch.id, "at": item.position, "run": run.run_id} for item, run in zip(items, runs, strict=True)]
    )
    progress = Progress()
    progress.move(ItemStatus.WAITING, ItemStatus.RUNNING, len(runs))
    settle(session, batch, progress)
    return [(run.run_id, run.task_id) for run in runs]


NEXT_ITEMS = select(ITEMS.position, ITEMS.inputs).where(OF_BATCH, IS_WAITING).order_by(ITEMS.position).limit(bindparam("count"))

NEXT_NUMBERS = (
    update(APPS)
    .where(APPS.c.id == bindparam("app"))
    .values(last_sequence_number=APPS.c.last_sequence_number + bindparam("count"))
    .returning(APPS.c.last_sequence_number)
)

INSERT_RUNS = insert(RUNS).values(status=RunStatus.SCHEDULED, created_at=now_s(), lease_until=now_s())

BEGIN_ITEM = (
    update(BATCH_ITEMS)
    .where(OF_BATCH, ITEMS.position == bindparam("at"))
    .values(status=ItemStatus.RUNNING, run_id=bindparam("run"), attempt=ITEMS.attempt + 1)
)


@dataclass(frozen=True, slots=True)
class PinnedVersion:
    """The version that a batch was made for (new_runs.py ``Version``)."""

    workflow_id: str
    app_id: str
    version: str


def _run_of(config: Config, batch: Row[*tuple[Any, ...]], user: str, item: Row[*tuple[Any, ...]], queue: str) -> NewRun:
    version = PinnedVersion(batch.workflow_id, batch.app_id, batch.workflow_version)
    inputs = {"sys.files": [], **loads(item.inputs)}
    return make_run(config, user, batch.end_user_id, version, inputs, key_id=batch.key_id, queue=queue)
