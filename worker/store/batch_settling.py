"""How a batch goes on once its items have changed: pure but for the statement that writes it.

Whoever calls ``settle`` holds the batch's row (``batch_controls.lock_batch``), so that what it decides is decided once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Row, select, update
from sqlalchemy.orm import Session

from worker.store.batch_facts import COUNT_COLUMNS, BatchCounts, BatchStatus, ItemStatus
from worker.store.batch_models import BATCHES
from worker.store.clock import now_s
from worker.store.webhooks import announce_batch

#: Items that must have ended before their errors are judged, unless the batch has fewer: the first few say little.
JUDGED_FROM = 20

OPEN = frozenset({BatchStatus.IN_PROGRESS, BatchStatus.PAUSED})


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a batch becomes."""

    status: BatchStatus
    closing_as: BatchStatus | None = None
    #: Why it ends before its time.
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Standing:
    """What decides how a batch goes on."""

    status: BatchStatus
    closing_as: BatchStatus | None
    error: str | None
    counts: BatchCounts
    stop_on_error_rate: float | None
    #: Its completion window is over.
    is_late: bool

    @property
    def has_open_items(self) -> bool:
        return bool(self.counts.waiting or self.counts.running)


def judge(standing: Standing) -> Verdict:
    """The next status; the same one if nothing is to change."""
    verdict = _closing(standing)
    if verdict.status.is_final or verdict.status is BatchStatus.VALIDATING or standing.has_open_items:
        return verdict
    return Verdict(verdict.closing_as or BatchStatus.COMPLETED, None, verdict.error)


def _closing(standing: Standing) -> Verdict:
    as_it_is = Verdict(standing.status, standing.closing_as, standing.error)
    if standing.status not in OPEN or not standing.has_open_items:
        return as_it_is
    if standing.is_late:
        return Verdict(BatchStatus.CANCELLING, BatchStatus.EXPIRED, "The completion window was over before all items had ended.")
    rate = error_rate(standing.counts)
    if standing.stop_on_error_rate is not None and rate is not None and rate > standing.stop_on_error_rate:
        text = (
            f"{rate:.0%} of the items that had ended had failed, more than stop_on_error_rate allows ({standing.stop_on_error_rate:.0%})."
        )
        return Verdict(BatchStatus.CANCELLING, BatchStatus.FAILED, text)
    return as_it_is


def error_rate(counts: BatchCounts) -> float | None:
    """Part of the items executed so far that failed; None: too few to tell."""
    executed = counts.succeeded + counts.partial + counts.failed + counts.stopped
    if executed < min(JUDGED_FROM, counts.total - counts.invalid) or not executed:
        return None
    return counts.failed / executed


@dataclass(slots=True)
class Progress:
    """Changes of a batch's items in one transaction, by status, and what their runs used."""

    changes: dict[ItemStatus, int] = field(default_factory=dict)
    #: Ends given out, gaps included.
    ended: int = 0
    values: dict[str, Any] = field(default_factory=dict)

    def move(self, before: ItemStatus, after: ItemStatus, number: int = 1) -> None:
        """So many items went from one status to another."""
        self.changes[before] = self.changes.get(before, 0) - number
        self.changes[after] = self.changes.get(after, 0) + number


def settle(session: Session, batch: Row[*tuple[Any, ...]], progress: Progress) -> BatchStatus:
    """Write what became of a batch's items and, if that is due, of the batch; ``batch`` is its locked row. Answers its status."""
    counts = {name: getattr(batch, name) for name in BatchCounts.__slots__}
    for status, number in progress.changes.items():
        counts[COUNT_COLUMNS[status]] += number
    changed = {name: number for name, number in counts.items() if number != getattr(batch, name)}
    verdict = judge(standing_of(session, batch, counts))
    values = {**changed, **progress.values, **_decided(batch, verdict)}
    if progress.ended:
        values["last_ended"] = batch.last_ended + progress.ended
    if values:
        session.execute(update(BATCHES).where(BATCHES.c.id == batch.id).values(**values))
    if verdict.status.is_final and verdict.status != batch.status:
        announce_batch(session, batch.id, f"batch.{verdict.status}")
    return verdict.status


def standing_of(session: Session, batch: Row[*tuple[Any, ...]], counts: Mapping[str, int]) -> Standing:
    is_late = batch.expires_at is not None and batch.expires_at < session.scalar(select(now_s()))
    closing_as = None if batch.closing_as is None else BatchStatus(batch.closing_as)
    return Standing(BatchStatus(batch.status), closing_as, batch.error, BatchCounts(**counts), batch.stop_on_error_rate, is_late)


def _decided(batch: Row[*tuple[Any, ...]], verdict: Verdict) -> dict[str, Any]:
    if verdict.status == batch.status:
        return {}
    ended = {"ended_at": now_s()} if verdict.status.is_final else {}
    return {"status": verdict.status, "closing_as": verdict.closing_as, "error": verdict.error, **ended}
