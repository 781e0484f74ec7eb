"""Batches as their app sees them: status, counts, pace."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Any

from sqlalchemy import Row, func, select, tuple_
from sqlalchemy.orm import Session

from worker.store.batch_models import BATCH_ITEMS, BATCHES
from worker.store.clock import now_s
from worker.store.encoding import loads
from worker.store.identifiers import canonical_id
from worker.store.models import END_USERS


class BatchStatus(StrEnum):
    """validating -> in_progress <-> paused; both -> cancelling -> cancelled, expired, failed; in_progress -> completed.

    The last four end a batch; ``retry_batch`` brings it back to ``in_progress``.
    """

    VALIDATING = "validating"
    IN_PROGRESS = "in_progress"
    PAUSED = "paused"
    #: Nothing begins any more, and some runs have not ended: by request, or since its time or ``stop_on_error_rate`` was reached.
    CANCELLING = "cancelling"
    COMPLETED = "completed"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    #: ``stop_on_error_rate`` was reached.
    FAILED = "failed"

    @property
    def is_final(self) -> bool:
        return self in FINAL


FINAL = frozenset({BatchStatus.COMPLETED, BatchStatus.CANCELLED, BatchStatus.EXPIRED, BatchStatus.FAILED})


class ItemStatus(StrEnum):
    """invalid; or waiting -> running -> what its run ended as; or waiting -> failed, cancelled, expired without a run."""

    INVALID = "invalid"
    WAITING = "waiting"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    PARTIAL = "partial-succeeded"
    FAILED = "failed"
    STOPPED = "stopped"
    CANCELLED = "cancelled"
    EXPIRED = "expired"


#: Items that ``retry_batch`` brings back.
RETRIABLE = (ItemStatus.FAILED, ItemStatus.STOPPED, ItemStatus.CANCELLED, ItemStatus.EXPIRED)

#: Column of ``batches`` that counts the items of a status.
COUNT_COLUMNS: Mapping[ItemStatus, str] = {status: status.value.removesuffix("-succeeded") for status in ItemStatus}


@dataclass(frozen=True, slots=True)
class BatchCounts:
    """Items of a batch by what became of them; all but the first add up to ``total``."""

    total: int
    invalid: int
    waiting: int
    running: int
    succeeded: int
    partial: int
    failed: int
    stopped: int
    cancelled: int
    expired: int

    @property
    def ended(self) -> int:
        return self.total - self.waiting - self.running


@dataclass(frozen=True, slots=True)
class BatchFacts:
    id: str
    app_id: str
    workflow_id: str
    workflow_version: str
    end_user_id: str
    #: The client's own name for the end user.
    user: str
    status: BatchStatus
    #: What a ``cancelling`` batch will be.
    closing_as: BatchStatus | None
    #: Why it ended before its time.
    error: str | None
    max_concurrency: int | None
    priority: int
    stop_on_error_rate: float | None
    completion_window_s: float | None
    expires_at: float | None
    metadata: dict[str, Any]
    counts: BatchCounts
    total_tokens: int
    total_price: Decimal
    #: Empty where no model was asked.
    currency: str
    created_at: float
    started_at: float | None
    ended_at: float | None


@dataclass(frozen=True, slots=True)
class BatchPace:
    """How fast a batch goes just now."""

    #: Items that end in a second; 0: none has ended lately.
    items_per_s: float
    #: Seconds until all have ended, if it goes on like that; None: nobody knows.
    remaining_s: float | None


def get_batch(session: Session, app_id: str, batch_id: str) -> BatchFacts | None:
    """A complete batch of this app; None for any other id, well-formed or not."""
    found = None if (wanted := canonical_id(batch_id)) is None else load_batch(session, wanted)
    return found if found is not None and found.app_id == app_id and found.status is not BatchStatus.VALIDATING else None


def load_batch(session: Session, batch_id: str) -> BatchFacts | None:
    """A batch of any app, complete or not."""
    row = session.execute(FACTS.where(BATCHES.c.id == batch_id)).one_or_none()
    return None if row is None else _facts(row)


def list_batches(
    session: Session, app_id: str | None, *, after: str | None = None, status: BatchStatus | None = None, limit: int = 20
) -> list[BatchFacts]:
    """Complete batches, newest first; ``after``: those that come behind this one's id. ``app_id`` None: of all apps, for an operator."""
    query = FACTS.where(BATCHES.c.status != BatchStatus.VALIDATING)
    if app_id is not None:
        query = query.where(BATCHES.c.app_id == app_id)
    if status is not None:
        query = query.where(BATCHES.c.status == status)
    order = (BATCHES.c.created_at, BATCHES.c.id)
    if after is not None:
        last = session.execute(select(*order).where(BATCHES.c.id == canonical_id(after))).one_or_none()
        if last is None:
            return []
        query = query.where(tuple_(*order) < tuple_(*last))
    return [_facts(row) for row in session.execute(query.order_by(*(column.desc() for column in order)).limit(limit))]


COUNTS = tuple(BATCHES.c[name] for name in BatchCounts.__slots__)

FACTS = select(
    BATCHES.c.id,
    BATCHES.c.app_id,
    BATCHES.c.workflow_id,
    BATCHES.c.workflow_version,
    BATCHES.c.end_user_id,
    END_USERS.c.session_id.label("user"),
    BATCHES.c.status,
    BATCHES.c.closing_as,
    BATCHES.c.error,
    BATCHES.c.max_concurrency,
    BATCHES.c.priority,
    BATCHES.c.stop_on_error_rate,
    BATCHES.c.completion_window_s,
    BATCHES.c.expires_at,
    BATCHES.c.details.label("metadata"),
    BATCHES.c.total_tokens,
    BATCHES.c.total_price,
    BATCHES.c.currency,
    BATCHES.c.created_at,
    BATCHES.c.started_at,
    BATCHES.c.ended_at,
    *COUNTS,
).join(END_USERS, END_USERS.c.id == BATCHES.c.end_user_id)


def _facts(row: Row[*tuple[Any, ...]]) -> BatchFacts:
    facts = dict(row._mapping)
    counts = BatchCounts(**{name: facts.pop(name) for name in BatchCounts.__slots__})
    closing_as = facts["closing_as"]
    return BatchFacts(
        **{
            **facts,
            "counts": counts,
            "status": BatchStatus(facts["status"]),
            "closing_as": None if closing_as is None else BatchStatus(closing_as),
            "metadata": loads(facts["metadata"]),
            "total_price": Decimal(facts["total_price"]),
        }
    )


#: Items whose ends tell how fast a batch goes, and seconds after which an end is too long ago for that.
PACE_ITEMS = 200
PACE_S = 300.0


def pace_of(session: Session, batch: BatchFacts) -> BatchPace:
    """From the last items that ended."""
    items = BATCH_ITEMS.c
    last = select(items.ended_at).where(items.batch_id == batch.id, items.ended_order.is_not(None), items.ended_at.is_not(None))
    lately = last.order_by(items.ended_order.desc()).limit(PACE_ITEMS).subquery()
    number, since, now = session.execute(
        select(func.count(), func.min(lately.c.ended_at), now_s()).where(lately.c.ended_at > now_s() - PACE_S)
    ).one()
    if not number:
        return BatchPace(0.0, None)
    rate = number / max(now - since, 1.0)
    return BatchPace(rate, (batch.counts.waiting + batch.counts.running) / rate)


def describe(batch: BatchFacts) -> dict[str, Any]:
    """A batch as JSON shows it, in webhook messages too. Times are epoch seconds."""
    counts = {COUNT_NAMES.get(name, name): getattr(batch.counts, name) for name in (*BatchCounts.__slots__, "ended")}
    # A price is a number wherever this product shows one.
    usage = {"total_tokens": batch.total_tokens, "total_price": float(batch.total_price), "currency": batch.currency}
    times = {name: _whole(getattr(batch, name)) for name in ("created_at", "started_at", "ended_at", "expires_at")}
    return {
        "id": batch.id,
        "object": "batch",
        "workflow_id": batch.workflow_id,
        "workflow_version": batch.workflow_version,
        "status": batch.status.value,
        "closing_as": batch.closing_as and batch.closing_as.value,
        "error": batch.error,
        "user": batch.user,
        "counts": counts,
        "usage": usage,
        "max_concurrency": batch.max_concurrency,
        "priority": batch.priority,
        "stop_on_error_rate": batch.stop_on_error_rate,
        "completion_window": window_text(batch.completion_window_s),
        "metadata": batch.metadata,
        **times,
    }


#: Letter of a completion window -> seconds.
WINDOW_UNITS = {"m": 60, "h": 3600, "d": 86_400}


def window_text(length_s: float | None) -> str | None:
    """The completion window as a client writes it: days from two on, hours, or minutes."""
    if length_s is None:
        return None
    is_days = length_s % WINDOW_UNITS["d"] == 0 and length_s > WINDOW_UNITS["d"]
    unit = "d" if is_days else "h" if length_s % WINDOW_UNITS["h"] == 0 else "m"
    return f"{length_s / WINDOW_UNITS[unit]:.0f}{unit}"


#: Counts whose items are called something else.
COUNT_NAMES = {"partial": ItemStatus.PARTIAL.value}


def _whole(moment: float | None) -> int | None:
    return None if moment is None else int(moment)
