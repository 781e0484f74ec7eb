"""Who is told when a run ends or waits for people, or a batch ends: endpoints of apps, and addresses that runs and batches name.

Messages are stored in the transaction that makes them true (``announce``), so there is one for each end of a run, whoever wrote it.
``deliveries.py`` is their way to the receivers.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy import Row, bindparam, delete, exists, func, insert, literal, or_, select
from sqlalchemy.orm import Session

from worker.store.batch_models import BATCHES
from worker.store.clock import now_s
from worker.store.encoding import dumps, loads
from worker.store.errors import NotFound
from worker.store.models import PAYLOADS, RUNS, WEBHOOK_DELIVERIES, WEBHOOK_ENDPOINTS, WebhookEndpoint
from worker.store.upsert import insert_or

FINISHED = "workflow.finished"
PAUSED = "workflow.paused"

#: What a run's webhook may ask for, and a batch's, each with the status that the batch has ended with.
RUN_EVENTS = (FINISHED, PAUSED)
BATCH_EVENTS = ("batch.completed", "batch.cancelled", "batch.expired", "batch.failed")
EVENTS = (*RUN_EVENTS, *BATCH_EVENTS)

#: URL of the endpoint whose secret signs messages to addresses that runs and batches name: it has none of its own.
OF_RUNS = ""


@dataclass(frozen=True, slots=True)
class RunWebhook:
    """Whom the request of a run or a batch wants to be told."""

    url: str
    #: Empty: all.
    events: Sequence[str] = ()

    def dump(self) -> str:
        return dumps({"url": self.url, "events": list(self.events)})


def put_endpoint(session: Session, app_id: str, url: str, events: Iterable[str], sealed_secret: bytes) -> str:
    """Keep an endpoint, in place of an earlier one with its address, and send to it (again); answers its id."""
    row = {"events": " ".join(events), "secret": sealed_secret, "created_at": now_s(), "disabled_at": None}
    insert = insert_or(session, WebhookEndpoint).values(id=str(uuid.uuid4()), app_id=app_id, url=url, **row)
    insert = insert.on_conflict_do_update(index_elements=["app_id", "url"], set_=row)
    return session.execute(insert.returning(WEBHOOK_ENDPOINTS.c.id)).scalar_one()


def list_endpoints(session: Session, app_id: str | None = None) -> list[WebhookEndpoint]:
    """Endpoints with an address, of one app or of all, oldest first."""
    query = select(WebhookEndpoint).where(WebhookEndpoint.url != OF_RUNS)
    if app_id is not None:
        query = query.where(WebhookEndpoint.app_id == app_id)
    return list(session.scalars(query.order_by(WebhookEndpoint.created_at, WebhookEndpoint.id)))


def remove_endpoint(session: Session, app_id: str, endpoint: str) -> None:
    """Forget an endpoint, named by its id or its address, and its messages. Raises ``NotFound``."""
    named = or_(WEBHOOK_ENDPOINTS.c.id == endpoint, WEBHOOK_ENDPOINTS.c.url == endpoint)
    of_app = (WEBHOOK_ENDPOINTS.c.app_id == app_id, WEBHOOK_ENDPOINTS.c.url != OF_RUNS)
    gone = session.execute(delete(WEBHOOK_ENDPOINTS).where(*of_app, named).returning(WEBHOOK_ENDPOINTS.c.id))
    if gone.first() is None:
        raise NotFound(f"The app has no webhook endpoint {endpoint!r}.")


APP_OF_RUN = select(RUNS.c.app_id).where(RUNS.c.id == PAYLOADS.c.run_id).correlate(PAYLOADS)

#: Of a run's payload: whether somebody wants to be told of the run. For the statement that writes its end, which asks on the way.
#: In SQLite's RETURNING, SQLAlchemy leaves the names of tables out, so that no level of this may have a column twice; and SQLite 3.40
#: says there of every column that it IS NOT NULL.
HAS_RECEIVERS = or_(
    func.coalesce(PAYLOADS.c.webhook, "") != "",
    exists().where(
        WEBHOOK_ENDPOINTS.c.app_id.in_(APP_OF_RUN), WEBHOOK_ENDPOINTS.c.url != OF_RUNS, WEBHOOK_ENDPOINTS.c.disabled_at.is_(None)
    ),
)


def announce(session: Session, run_id: str, event: str) -> None:
    """Store a message to everybody who wants to be told of this event; for the transaction in which it comes true."""
    receivers = session.execute(RECEIVERS, {"run": run_id}).all()
    _store(session, receivers, event, run_id=run_id)


def announce_batch(session: Session, batch_id: str, event: str) -> None:
    """The same about a batch."""
    _store(session, session.execute(BATCH_RECEIVERS, {"batch": batch_id}).all(), event, batch_id=batch_id)


def _store(
    session: Session, receivers: Sequence[Row[*tuple[Any, ...]]], event: str, *, run_id: str | None = None, batch_id: str | None = None
) -> None:
    addressed = [(receiver, _address(receiver, event)) for receiver in receivers]
    about = {"run_id": run_id, "batch_id": batch_id, "event": event}
    rows = [{**about, **_message(receiver, url)} for receiver, url in addressed if url is not None]
    if rows:
        session.execute(STORE, rows)


RECEIVERS = (
    select(
        WEBHOOK_ENDPOINTS.c.id,
        WEBHOOK_ENDPOINTS.c.app_id,
        WEBHOOK_ENDPOINTS.c.url,
        WEBHOOK_ENDPOINTS.c.events,
        RUNS.c.last_event,
        PAYLOADS.c.webhook,
    )
    .join(RUNS, RUNS.c.app_id == WEBHOOK_ENDPOINTS.c.app_id)
    .join(PAYLOADS, PAYLOADS.c.run_id == RUNS.c.id)
    .where(RUNS.c.id == bindparam("run"), WEBHOOK_ENDPOINTS.c.disabled_at.is_(None))
)

BATCH_RECEIVERS = (
    select(
        WEBHOOK_ENDPOINTS.c.id,
        WEBHOOK_ENDPOINTS.c.app_id,
        WEBHOOK_ENDPOINTS.c.url,
        WEBHOOK_ENDPOINTS.c.events,
        literal(0).label("last_event"),
        BATCHES.c.webhook,
    )
    .join(BATCHES, BATCHES.c.app_id == WEBHOOK_ENDPOINTS.c.app_id)
    .where(BATCHES.c.id == bindparam("batch"), WEBHOOK_ENDPOINTS.c.disabled_at.is_(None))
)

STORE = insert(WEBHOOK_DELIVERIES).values(created_at=now_s(), due_at=now_s())


def _address(receiver: Row[*tuple[Any, ...]], event: str) -> str | None:
    """Where the message goes; None: the receiver does not want it."""
    url, events = receiver.url, receiver.events.split()
    if url == OF_RUNS:
        if receiver.webhook is None:
            return None
        named = loads(receiver.webhook)
        url, events = named["url"], named["events"]
    return str(url) if not events or event in events else None


def _message(receiver: Row[*tuple[Any, ...]], url: str) -> dict[str, Any]:
    return {
        "id": str(uuid.uuid4()),
        "endpoint_id": receiver.id,
        "event_number": receiver.last_event,
        "url": url,
        "lane": lane_of(receiver.app_id, url),
    }


def lane_of(app_id: str, url: str) -> str:
    """What a message waits behind: others of its app to the same scheme, host and port."""
    address = urlsplit(url)
    return f"{app_id} {address.scheme}://{address.netloc}".lower()
