"""Webhook messages on their way: taken by a worker, sent, and noted as delivered, to be tried again, or given up.

Who may send a message holds it for a while, by its ``due_at``; the number of the attempt tells that sender from a later one. So a sender
that dies leaves a message that is due again, and a receiver may get one twice, but never not at all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Float, bindparam, exists, func, select, update
from sqlalchemy.orm import Session

from worker.store.clock import now_s
from worker.store.encoding import clean_text
from worker.store.errors import NotFound
from worker.store.identifiers import canonical_id
from worker.store.models import WEBHOOK_DELIVERIES, WEBHOOK_ENDPOINTS, WebhookAttempt, WebhookDelivery, WebhookEndpoint
from worker.store.upsert import insert_or
from worker.store.webhooks import OF_RUNS

PENDING, DELIVERED, FAILED = "pending", "delivered", "failed"
STATUSES = (PENDING, DELIVERED, FAILED)

COLUMNS = WEBHOOK_DELIVERIES.c
IS_PENDING = COLUMNS.due_at.is_not(None)


@dataclass(frozen=True, slots=True)
class Delivery:
    """A message that the caller may send, and what that takes."""

    id: str
    app_id: str
    #: What it is about: one of the two.
    run_id: str | None
    batch_id: str | None
    event: str
    #: Of the run when the message was stored, and when that was.
    event_number: int
    created_at: float
    url: str
    lane: str
    #: Of this attempt, 1-based.
    attempt: int
    #: Attempts that failed before.
    failures: int
    #: Address that the secret is sealed for, and the secret.
    endpoint_url: str
    sealed_secret: bytes


@dataclass(frozen=True, slots=True)
class Attempt:
    """What came of one attempt."""

    #: HTTP status; None: there was no answer.
    status: int | None
    #: A sentence for the operator; None: it was delivered.
    error: str | None
    elapsed_ms: int = 0
    #: Seconds that the receiver wants to be left alone.
    retry_after_s: float = 0.0

    @property
    def is_gone(self) -> bool:
        """The receiver wants no messages any more (RFC 9110, 410)."""
        return self.status == 410


def find_due_lanes(session: Session) -> list[str]:
    """Lanes in which a message may be sent now, each once: found by a step for each lane, however long it is."""
    lanes = select(func.min(COLUMNS.lane).label("lane")).where(IS_PENDING).cte("lanes", recursive=True)
    following = select(func.min(COLUMNS.lane)).where(IS_PENDING, COLUMNS.lane > lanes.c.lane).scalar_subquery()
    lanes = lanes.union_all(select(following).where(lanes.c.lane.is_not(None)))
    return list(session.scalars(select(lanes.c.lane).where(exists().where(COLUMNS.lane == lanes.c.lane, COLUMNS.due_at <= now_s()))))


def claim_due(session: Session, lane: str, limit: int, lease_s: float) -> list[Delivery]:
    """Take the messages of a lane that have been due the longest; they are due again after ``lease_s`` seconds, if nothing is heard."""
    oldest = select(COLUMNS.id).where(COLUMNS.lane == lane, COLUMNS.due_at <= now_s()).order_by(COLUMNS.due_at).limit(limit)
    # SQLite has one writer at a time and no need to lock rows.
    ids = session.scalars(oldest.with_for_update(skip_locked=True)).all()
    if not ids:
        return []
    session.execute(CLAIM, {"claimed": ids, "lease_s": lease_s})
    return [Delivery(**row._mapping) for row in session.execute(CLAIMED, {"claimed": ids})]


CLAIM = (
    update(WEBHOOK_DELIVERIES)
    .where(COLUMNS.id.in_(bindparam("claimed", expanding=True)))
    .values(attempts=COLUMNS.attempts + 1, due_at=now_s() + bindparam("lease_s", type_=Float))
)

#: The fields of ``Delivery``.
CLAIMED = (
    select(
        COLUMNS.id,
        WEBHOOK_ENDPOINTS.c.app_id,
        COLUMNS.run_id,
        COLUMNS.batch_id,
        COLUMNS.event,
        COLUMNS.event_number,
        COLUMNS.created_at,
        COLUMNS.url,
        COLUMNS.lane,
        COLUMNS.attempts.label("attempt"),
        COLUMNS.failures,
        WEBHOOK_ENDPOINTS.c.url.label("endpoint_url"),
        WEBHOOK_ENDPOINTS.c.secret.label("sealed_secret"),
    )
    .join(WEBHOOK_ENDPOINTS, WEBHOOK_ENDPOINTS.c.id == COLUMNS.endpoint_id)
    .where(COLUMNS.id.in_(bindparam("claimed", expanding=True)))
    .order_by(COLUMNS.created_at)
)


def note_delivered(session: Session, delivery: Delivery, attempt: Attempt) -> None:
    """The receiver took it. This and the other ways to note an attempt are safe to repeat."""
    _note(session, delivery, attempt)
    _set(session, delivery, status=DELIVERED, due_at=None, ended_at=now_s())


def note_failure(session: Session, delivery: Delivery, attempt: Attempt, retry_s: float | None) -> None:
    """The attempt failed: try again after ``retry_s`` seconds, or give up (None)."""
    _note(session, delivery, attempt)
    failures = delivery.failures + 1
    if retry_s is None:
        _set(session, delivery, status=FAILED, failures=failures, due_at=None, ended_at=now_s())
    else:
        _set(session, delivery, failures=failures, due_at=now_s() + retry_s)


def note_gone(session: Session, delivery: Delivery, attempt: Attempt) -> None:
    """The receiver is gone: its endpoint is disabled, and what was on its way there is given up. An address of runs has no endpoint."""
    note_failure(session, delivery, attempt, None)
    endpoint = select(COLUMNS.endpoint_id).where(COLUMNS.id == delivery.id).scalar_subquery()
    disable = update(WEBHOOK_ENDPOINTS).where(WEBHOOK_ENDPOINTS.c.id == endpoint, WEBHOOK_ENDPOINTS.c.url != OF_RUNS)
    disabled = session.execute(disable.values(disabled_at=now_s()).returning(WEBHOOK_ENDPOINTS.c.id)).scalar()
    if disabled is not None:
        hopeless = update(WEBHOOK_DELIVERIES).where(COLUMNS.endpoint_id == disabled, IS_PENDING)
        session.execute(hopeless.values(status=FAILED, due_at=None, ended_at=now_s()))


def give_back(session: Session, delivery: Delivery) -> None:
    """Let another worker send the message at once: this one is ending, and what the receiver got of it is open."""
    _set(session, delivery, due_at=now_s())


def _note(session: Session, delivery: Delivery, attempt: Attempt) -> None:
    if session.execute(select(COLUMNS.id).where(COLUMNS.id == delivery.id)).scalar() is None:
        # Its app, its run or its endpoint was deleted meanwhile.
        return
    error = None if attempt.error is None else clean_text(attempt.error)
    row = {
        "delivery_id": delivery.id,
        "number": delivery.attempt,
        "elapsed_ms": attempt.elapsed_ms,
        "status": attempt.status,
        "error": error,
    }
    session.execute(insert_or(session, WebhookAttempt).values(**row, ended_at=now_s()).on_conflict_do_nothing())


def _set(session: Session, delivery: Delivery, **values: Any) -> None:
    """Change a message, unless a later attempt has it or it has ended."""
    own = (COLUMNS.id == delivery.id, COLUMNS.attempts == delivery.attempt, IS_PENDING)
    session.execute(update(WEBHOOK_DELIVERIES).where(*own).values(**values))


def redeliver(session: Session, delivery_id: str) -> None:
    """Send a message again, whatever became of it, with a whole day for it. Raises ``NotFound``; also if its endpoint is disabled."""
    named = COLUMNS.id == canonical_id(delivery_id)
    is_open = exists().where(WEBHOOK_ENDPOINTS.c.id == COLUMNS.endpoint_id, WEBHOOK_ENDPOINTS.c.disabled_at.is_(None))
    again = update(WEBHOOK_DELIVERIES).where(named, is_open).values(status=PENDING, failures=0, due_at=now_s(), ended_at=None)
    if session.execute(again.returning(COLUMNS.id)).scalar() is None:
        raise NotFound(f"There is no delivery {delivery_id!r}, or its endpoint is disabled: `penstock webhooks add` enables it.")


@dataclass(frozen=True, slots=True)
class DeliveryFacts:
    """A message as an operator sees it."""

    delivery: WebhookDelivery
    endpoint: WebhookEndpoint
    #: The last one that came to an end.
    last_attempt: WebhookAttempt | None


def list_deliveries(
    session: Session,
    app_id: str | None = None,
    *,
    run_id: str | None = None,
    batch_id: str | None = None,
    status: str | None = None,
    limit: int = 20,
) -> list[DeliveryFacts]:
    """The newest messages, of one app or of all."""
    conditions: list[ColumnElement[bool]] = []
    if app_id is not None:
        conditions.append(WebhookEndpoint.app_id == app_id)
    if run_id is not None:
        conditions.append(WebhookDelivery.run_id == run_id)
    if batch_id is not None:
        conditions.append(WebhookDelivery.batch_id == batch_id)
    if status is not None:
        conditions.append(WebhookDelivery.status == status)
    query = FACTS.where(*conditions).order_by(WebhookDelivery.created_at.desc(), WebhookDelivery.id).limit(limit)
    return [DeliveryFacts(*row) for row in session.execute(query)]


LAST_NUMBER = (
    select(func.max(WebhookAttempt.number))
    .where(WebhookAttempt.delivery_id == WebhookDelivery.id)
    .correlate(WebhookDelivery)
    .scalar_subquery()
)

FACTS = (
    select(WebhookDelivery, WebhookEndpoint, WebhookAttempt)
    .join(WebhookEndpoint, WebhookEndpoint.id == WebhookDelivery.endpoint_id)
    .outerjoin(WebhookAttempt, (WebhookAttempt.delivery_id == WebhookDelivery.id) & (WebhookAttempt.number == LAST_NUMBER))
)


def list_attempts(session: Session, delivery_id: str) -> Sequence[WebhookAttempt]:
    """What came of the attempts to deliver a message, in their order; one whose worker died is missing. Raises ``NotFound``."""
    wanted = canonical_id(delivery_id)
    if wanted is None or session.get(WebhookDelivery, wanted) is None:
        raise NotFound(f"There is no delivery {delivery_id!r}.")
    return session.scalars(select(WebhookAttempt).where(WebhookAttempt.delivery_id == wanted).order_by(WebhookAttempt.number)).all()
