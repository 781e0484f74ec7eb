"""Every message to a webhook is settled, or somebody tries it."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import and_, func, select

from worker.doctor.finding import Check
from worker.doctor.rows import Rows, Wrong
from worker.store.clock import now_s
from worker.store.deliveries import COLUMNS, IS_PENDING, PENDING, STATUSES
from worker.store.models import WebhookAttempt
from worker.store.session import Database

#: Seconds for which a message may be due: behind a receiver that is slow, many wait for their turn.
LATE_S = 3600.0

#: Attempts that are known of a message.
NOTED = select(func.count()).where(WebhookAttempt.delivery_id == COLUMNS.id).correlate(COLUMNS.id.table).scalar_subquery()

#: What a message must not be, each with how that is said.
WRONGS: Sequence[Wrong] = (
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


def deliveries(database: Database) -> Rows:
    return Rows(database, DELIVERIES, COLUMNS.id, WRONGS, settle_s=1.0)
