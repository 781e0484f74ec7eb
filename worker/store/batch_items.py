"""The items of a batch, page by page: while it runs, in the order of the request or as they ended."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, Select, select
from sqlalchemy.orm import Session

from worker.store.batch_facts import ItemStatus
from worker.store.batch_models import BATCH_ITEMS, BATCHES
from worker.store.encoding import loads
from worker.store.identifiers import canonical_id
from worker.store.models import PAYLOADS, RUNS

#: Items that have no result and will have none unless they are tried again: what ``.../errors`` shows.
ERRORS = frozenset({ItemStatus.INVALID, ItemStatus.FAILED, ItemStatus.STOPPED, ItemStatus.CANCELLED, ItemStatus.EXPIRED})

#: Items that have come to an end, of whatever kind.
ENDED = frozenset(ItemStatus) - {ItemStatus.WAITING, ItemStatus.RUNNING}


@dataclass(frozen=True, slots=True)
class ItemResult:
    position: int
    custom_id: str
    line: int
    status: ItemStatus
    #: A stable code and a sentence; None unless something went wrong.
    error_code: str | None
    error: str | None
    #: Its last run; None: it never became one.
    run_id: str | None
    #: How often it became a run, or failed to.
    attempt: int
    #: None: it has not ended.
    ended_order: int | None
    ended_at: float | None
    #: What its run has put out; None: no run, it has not ended, or its run was removed because of its age.
    outputs: dict[str, Any] | None
    #: Of the run; 0 and None where there is none.
    total_tokens: int
    total_steps: int
    elapsed_time: float | None
    started_at: float | None


def read_items(
    session: Session,
    app_id: str,
    batch_id: str,
    *,
    after: int = 0,
    limit: int = 500,
    as_ended: bool = False,
    statuses: Collection[ItemStatus] | None = None,
) -> list[ItemResult]:
    """The next items, fewer than ``limit`` only at the end of what there is now; empty for a batch that the app does not have.

    In the order of ``position``; ``as_ended``: those that have ended, in the order of ``ended_order``, in which later ones only join
    behind. ``after``: the last ``position``, or ``ended_order``, that the caller has. An item that is tried again ends anew, behind all
    others.
    """
    column = BATCH_ITEMS.c.ended_order if as_ended else BATCH_ITEMS.c.position
    page = _of_batch(app_id, batch_id).where(column > after).order_by(column).limit(limit)
    if statuses is not None:
        page = page.where(BATCH_ITEMS.c.status.in_(statuses))
    return [_result(row) for row in session.execute(page)]


def find_item(session: Session, app_id: str, batch_id: str, custom_id: str) -> ItemResult | None:
    """The valid item with this id, or else an invalid one."""
    named = _of_batch(app_id, batch_id).where(BATCH_ITEMS.c.custom_id == custom_id)
    row = session.execute(named.order_by(BATCH_ITEMS.c.status == ItemStatus.INVALID, BATCH_ITEMS.c.position).limit(1)).one_or_none()
    return None if row is None else _result(row)


def _of_batch(app_id: str, batch_id: str) -> Select[Any]:
    return ITEMS.where(BATCH_ITEMS.c.batch_id == canonical_id(batch_id), BATCHES.c.app_id == app_id)


ITEMS = (
    select(
        BATCH_ITEMS.c.position,
        BATCH_ITEMS.c.custom_id,
        BATCH_ITEMS.c.line,
        BATCH_ITEMS.c.status,
        BATCH_ITEMS.c.error_code,
        BATCH_ITEMS.c.error,
        BATCH_ITEMS.c.run_id,
        BATCH_ITEMS.c.attempt,
        BATCH_ITEMS.c.ended_order,
        BATCH_ITEMS.c.ended_at,
        PAYLOADS.c.outputs,
        RUNS.c.total_tokens,
        RUNS.c.total_steps,
        RUNS.c.elapsed_time,
        RUNS.c.started_at,
    )
    .join(BATCHES, BATCHES.c.id == BATCH_ITEMS.c.batch_id)
    .outerjoin(RUNS, RUNS.c.id == BATCH_ITEMS.c.run_id)
    .outerjoin(PAYLOADS, PAYLOADS.c.run_id == RUNS.c.id)
)


def _result(row: Row[*tuple[Any, ...]]) -> ItemResult:
    facts = dict(row._mapping)
    outputs, has_ended = facts["outputs"], facts["ended_order"] is not None
    return ItemResult(
        **{
            **facts,
            "status": ItemStatus(facts["status"]),
            "outputs": loads(outputs) if has_ended and outputs is not None else None,
            "total_tokens": facts["total_tokens"] or 0,
            "total_steps": facts["total_steps"] or 0,
        }
    )
