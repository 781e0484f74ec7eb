"""What the dispatcher does to batches, a short transaction at a time (worker/batches/dispatcher.py).

Every one of them holds the batch's row, so that each change of an item is counted once, whoever else dispatches, cancels or retries; and
an item becomes a run in the transaction that says so.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from sqlalchemy import Float, Row, bindparam, case, delete, func, insert, select, update
from sqlalchemy.orm import Session

from worker.config import Config
from worker.engine.checkpoint import load_record
from worker.engine.events import RunStatus
from worker.engine.spending import NOTHING_SPENT, Spending
from worker.store.batch_facts import BatchStatus, ItemStatus
from worker.store.batch_models import BATCH_ITEMS, BATCHES, IS_RUNNING, IS_WAITING
from worker.store.batch_settling import Progress, settle
from worker.store.batches import IS_GIVEN_UP
from worker.store.clock import now_s
from worker.store.encoding import dumps, loads
from worker.store.limits import room_of
from worker.store.models import APPS, END_USERS, PAYLOADS, RUNS, NodeExecution, Workflow
from worker.store.runs import NewRun, run_row

#: Items that one transaction ends: those whose runs have ended, and those that are ended without a run.
COLLECTED_AT_A_TIME = 200
CLOSED_AT_A_TIME = 2000

#: Items that one transaction removes of a batch that was given up.
PURGED_AT_A_TIME = 2000

ITEMS = BATCH_ITEMS.c
OF_BATCH = ITEMS.batch_id == bindparam("batch")


@dataclass(frozen=True, slots=True)
class OpenBatch:
    """A batch that has not ended, as one look shows it."""

    id: str
    app_id: str
    key_id: str | None
    status: BatchStatus
    priority: int
    created_at: float
    max_concurrency: int | None
    waiting: int
    #: Its completion window is over, or, while validating, its maker has given up.
    is_late: bool
    #: Runs that wait for a worker or have one.
    open_runs: int = 0
    #: Running items whose runs have ended.
    uncollected: int = 0


def has_open_batches(session: Session) -> bool:
    return session.execute(select(BATCHES.c.id).where(BATCHES.c.ended_at.is_(None)).limit(1)).one_or_none() is not None


def open_batches(session: Session) -> list[OpenBatch]:
    """Batches that have not ended, the complete ones and those that were given up."""
    tallies = {row.batch_id: row for row in session.execute(TALLIES)}
    return [_open_batch(row, tallies.get(row.id)) for row in session.execute(OPEN_BATCHES)]


def _open_batch(row: Row[*tuple[Any, ...]], tally: Row[*tuple[Any, ...]] | None) -> OpenBatch:
    facts = {**row._mapping, "status": BatchStatus(row.status), "is_late": bool(row.is_late)}
    return OpenBatch(**facts) if tally is None else OpenBatch(**facts, open_runs=tally.open_runs, uncollected=tally.uncollected)


OPEN_BATCHES = select(
    BATCHES.c.id,
    BATCHES.c.app_id,
    BATCHES.c.key_id,
    BATCHES.c.status,
    BATCHES.c.priority,
    BATCHES.c.created_at,
    BATCHES.c.max_concurrency,
    BATCHES.c.waiting,
    (func.coalesce(BATCHES.c.validating_until, BATCHES.c.expires_at, now_s() + 1) < now_s()).label("is_late"),
).where(BATCHES.c.ended_at.is_(None), (BATCHES.c.status != BatchStatus.VALIDATING) | IS_GIVEN_UP)

#: Also of a run that is not there any more.
IS_OVER = RUNS.c.id.is_(None) | RUNS.c.finished_at.is_not(None)
HAS_PLACE = RUNS.c.finished_at.is_(None) & RUNS.c.status.in_([RunStatus.SCHEDULED, RunStatus.RUNNING])

TALLIES = (
    select(
        ITEMS.batch_id,
        func.sum(case((HAS_PLACE, 1), else_=0)).label("open_runs"),
        func.sum(case((IS_OVER, 1), else_=0)).label("uncollected"),
    )
    .outerjoin(RUNS, RUNS.c.id == ITEMS.run_id)
    .where(IS_RUNNING)
    .group_by(ITEMS.batch_id)
)


# ---- what has ended


@dataclass(frozen=True, slots=True)
class EndedRun:
    """When a run of a batch was stored, claimed and ended; by the clocks of the database and of its worker."""

    batch_id: str
    run_id: str
    created_at: float
    #: None: it never was.
    started_at: float | None
    elapsed_s: float


def collect(session: Session, batch_id: str, limit: int = COLLECTED_AT_A_TIME) -> list[EndedRun]:
    """Note what has become of items whose runs have ended, and of the batch. Safe to repeat."""
    batch = lock(session, batch_id)
    rows = [] if batch is None else session.execute(COLLECTABLE, {"batch": batch_id, "limit": limit}).all()
    if batch is None or not rows:
        return []
    progress = Progress(ended=len(rows))
    session.execute(END_ITEM, [_end_of(row, order) for order, row in enumerate(rows, batch.last_ended + 1)])
    for row in rows:
        progress.move(ItemStatus.RUNNING, _status_of(row))
    progress.values = _spent(session, batch, rows)
    settle(session, batch, progress)
    return [EndedRun(batch_id, row.run_id, row.created_at, row.started_at, row.elapsed_time) for row in rows if row.found is not None]


COLLECTABLE = (
    select(
        ITEMS.batch_id,
        ITEMS.position,
        ITEMS.run_id,
        RUNS.c.id.label("found"),
        RUNS.c.status,
        RUNS.c.error,
        RUNS.c.total_tokens,
        RUNS.c.created_at,
        RUNS.c.started_at,
        RUNS.c.finished_at,
        RUNS.c.elapsed_time,
    )
    .outerjoin(RUNS, RUNS.c.id == ITEMS.run_id)
    .where(OF_BATCH, IS_RUNNING, IS_OVER)
    .limit(bindparam("limit"))
)

END_ITEM = (
    update(BATCH_ITEMS)
    .where(OF_BATCH, ITEMS.position == bindparam("at"))
    .values(
        status=bindparam("new_status"),
        error_code=bindparam("new_code"),
        error=bindparam("new_error"),
        ended_order=bindparam("order"),
        ended_at=func.coalesce(bindparam("end", type_=Float), now_s()),
    )
)

#: What is said of items whose runs ended so, if the run itself says nothing.
CODES: Mapping[ItemStatus, tuple[str, str]] = {
    ItemStatus.FAILED: ("run_failed", "The run failed."),
    ItemStatus.STOPPED: ("run_stopped", "The run was stopped."),
}
REMOVED = ("run_removed", "The run was removed before its end was noted.")


def _status_of(row: Row[*tuple[Any, ...]]) -> ItemStatus:
    return ItemStatus.FAILED if row.found is None else ItemStatus(row.status)


def _end_of(row: Row[*tuple[Any, ...]], order: int) -> dict[str, Any]:
    status = _status_of(row)
    code, text = REMOVED if row.found is None else CODES.get(status, (None, None))
    return {
        "batch": row.batch_id,
        "at": row.position,
        "new_status": status,
        "new_code": code,
        "new_error": row.error or text,
        "order": order,
        "end": row.finished_at,
    }


def _spent(session: Session, batch: Row[*tuple[Any, ...]], rows: Sequence[Row[*tuple[Any, ...]]]) -> dict[str, Any]:
    """What the usage of the batch becomes."""
    asked = [row for row in rows if row.total_tokens]
    if not asked:
        return {}
    spending = spending_of(session, [row.run_id for row in asked])
    return {
        "total_tokens": batch.total_tokens + sum(row.total_tokens for row in asked),
        "total_price": format(Decimal(batch.total_price) + spending.total_price, "f"),
        "currency": spending.currency or batch.currency,
    }


def spending_of(session: Session, run_ids: Sequence[str]) -> Spending:
    """What the nodes of these runs have used and cost; containers tell it of what is in them."""
    records = select(NodeExecution.record).where(NodeExecution.run_id.in_(run_ids), NodeExecution.total_tokens > 0)
    spent = NOTHING_SPENT
    for text in session.scalars(records, execution_options={"yield_per": 50}):
        record = load_record(loads(text))
        spent = spent if record.is_container else spent + record.spending
    return spent


# ---- what begins


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
        return Dispatched(refused=_end_waiting(session, batch, ItemStatus.FAILED, *problem))
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


def _run_of(config: Config, batch: Row[*tuple[Any, ...]], user: str, item: Row[*tuple[Any, ...]], queue: str) -> NewRun:
    run_id = str(uuid.uuid4())
    system = {
        "sys.user_id": user,
        "sys.app_id": batch.app_id,
        "sys.workflow_id": batch.workflow_id,
        "sys.workflow_run_id": run_id,
        "sys.timestamp": int(time.time()),
    }
    return NewRun(
        run_id=run_id,
        task_id=str(uuid.uuid4()),
        app_id=batch.app_id,
        workflow_id=batch.workflow_id,
        workflow_version=batch.workflow_version,
        end_user_id=batch.end_user_id,
        inputs={"sys.files": [], **loads(item.inputs), **system},
        time_limit_s=config.limits.workflow_max_execution_time,
        key_id=batch.key_id,
        queue=queue,
    )


# ---- what ends without a run, and what is removed

#: How items that wait end, by what their batch becomes.
UNBEGUN: Mapping[BatchStatus, tuple[ItemStatus, str, str]] = {
    BatchStatus.CANCELLED: (ItemStatus.CANCELLED, "batch_cancelled", "The batch was cancelled before the item began."),
    BatchStatus.FAILED: (ItemStatus.CANCELLED, "batch_failed", "Too many other items failed before the item began."),
    BatchStatus.EXPIRED: (ItemStatus.EXPIRED, "batch_expired", "The completion window was over before the item began."),
}


def close(session: Session, batch_id: str) -> bool:
    """Have a batch end whose time is up, or that is ``cancelling``: end some of the items that wait. False: none waits any more."""
    batch = lock(session, batch_id)
    if batch is None:
        return False
    if settle(session, batch, Progress()) is not BatchStatus.CANCELLING:
        return False
    batch = lock(session, batch_id)
    assert batch is not None, "its row is locked"
    return _end_waiting(session, batch, *UNBEGUN[BatchStatus(batch.closing_as)]) > 0


def _end_waiting(session: Session, batch: Row[*tuple[Any, ...]], status: ItemStatus, code: str, text: str) -> int:
    next_ones = select(ITEMS.position).where(ITEMS.batch_id == batch.id, IS_WAITING)
    positions = session.scalars(next_ones.order_by(ITEMS.position).limit(CLOSED_AT_A_TIME)).all()
    if not positions:
        settle(session, batch, Progress())
        return 0
    # Positions are unique and ascend, so they make ends that do; the numbers between are left out.
    order = batch.last_ended - positions[0] + 1 + ITEMS.position
    end = {"status": status, "error_code": code, "error": text, "ended_order": order, "ended_at": now_s()}
    # All that wait between them are those: the batch is locked.
    chosen = (ITEMS.batch_id == batch.id, IS_WAITING, ITEMS.position.between(positions[0], positions[-1]))
    session.execute(update(BATCH_ITEMS).where(*chosen).values(**end))
    progress = Progress(ended=positions[-1] - positions[0] + 1)
    progress.move(ItemStatus.WAITING, status, len(positions))
    settle(session, batch, progress)
    return len(positions)


def runs_to_stop(session: Session, batch_id: str, limit: int = 50) -> list[str]:
    """Task ids of runs of a batch that have not ended and are not told to stop."""
    going = (RUNS.c.finished_at.is_(None), RUNS.c.cancel_requested_at.is_(None))
    query = select(RUNS.c.task_id).join(BATCH_ITEMS, ITEMS.run_id == RUNS.c.id)
    return list(session.scalars(query.where(OF_BATCH, IS_RUNNING, *going).limit(limit), {"batch": batch_id}))


def purge(session: Session, batch_id: str) -> bool:
    """Remove some items of a batch that was given up, and at last the batch. False: it is gone, or somebody else does so."""
    held = select(BATCHES.c.id).where(BATCHES.c.id == batch_id, IS_GIVEN_UP).with_for_update(skip_locked=True)
    if session.scalar(held) is None:
        return False
    some = select(ITEMS.position).where(ITEMS.batch_id == batch_id).limit(PURGED_AT_A_TIME)
    positions = session.scalars(some).all()
    if positions:
        session.execute(delete(BATCH_ITEMS).where(ITEMS.batch_id == batch_id, ITEMS.position.in_(positions)))
        return True
    session.execute(delete(BATCHES).where(BATCHES.c.id == batch_id))
    return False


def lock(session: Session, batch_id: str) -> Row[*tuple[Any, ...]] | None:
    """The row of a batch that nobody else changes, nor its items, until the transaction ends; None: it is gone or has ended."""
    return session.execute(LOCK, {"batch": batch_id}).one_or_none()


LOCK = select(BATCHES).where(BATCHES.c.id == bindparam("batch"), BATCHES.c.ended_at.is_(None)).with_for_update()
