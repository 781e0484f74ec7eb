"""Every message to a webhook is settled, or somebody tries it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sqlalchemy import ColumnElement, and_, func, or_, select

from worker.doctor.finding import Check, Finding
from worker.store.clock import now_s
from worker.store.deliveries import COLUMNS, IS_PENDING, PENDING, STATUSES
from worker.store.models import WebhookAttempt
from worker.store.session import Database

#: Messages of one batch.
BATCH = 500

#: Seconds for which a message may be due: behind a receiver that is slow, many wait for their turn.
LATE_S = 3600.0

#: Attempts that are known of a message.
NOTED = select(func.count()).where(WebhookAttempt.delivery_id == COLUMNS.id).correlate(COLUMNS.id.table).scalar_subquery()

#: What a message must not be, each with how that is said.
WRONGS: Sequence[tuple[ColumnElement[bool], str]] = (
    (COLUMNS.status.not_in(STATUSES), "has a status that there is not"),
    (and_(IS_PENDING, COLUMNS.due_at < now_s() - LATE_S), f"has been due for more than {LATE_S:g} s"),
    (and_(COLUMNS.status == PENDING, ~IS_PENDING), "is pending, and nobody will try it"),
    (and_(COLUMNS.status != PENDING, IS_PENDING), "is settled, and would be tried again"),
    (and_(COLUMNS.status != PENDING, COLUMNS.ended_at.is_(None)), "is settled, and does not say since when"),
    (COLUMNS.attempts < NOTED, "has more attempts in its log than were made"),
)

DELIVERIES = Check(
    "deliveries",
    f"A message to a webhook is settled or has its next attempt before it, and none is due for more than {LATE_S:g} s.",
    "See that workers are up, and with `penstock webhooks deliveries` whether the receiver answers; `penstock webhooks redeliver` sends a "
    "message again.",
)


class Deliveries:
    """An ``Area``: its keys are ids of messages."""

    checks = (DELIVERIES,)
    settle_s = 1.0

    def __init__(self, database: Database) -> None:
        self._database = database

    def batches(self) -> Iterator[Sequence[str]]:
        after = ""
        while batch := self._batch_after(after):
            yield batch
            after = batch[-1]

    def _batch_after(self, after: str) -> Sequence[str]:
        with self._database.read() as session:
            return session.scalars(select(COLUMNS.id).where(COLUMNS.id > after).order_by(COLUMNS.id).limit(BATCH)).all()

    def look(self, keys: Sequence[str]) -> list[Finding]:
        wrongs = [wrong for wrong, _ in WRONGS]
        with self._database.read() as session:
            rows = session.execute(select(COLUMNS.id, *wrongs).where(COLUMNS.id.in_(keys), or_(*wrongs))).all()
        return [DELIVERIES.finding(row[0], text) for row in rows for is_so, (_, text) in zip(row[1:], WRONGS, strict=True) if is_so]
