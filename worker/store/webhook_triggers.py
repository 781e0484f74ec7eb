"""Addresses of webhook triggers: who knows one may begin runs. The database knows a token only hashed, and sealed for its operators."""

from __future__ import annotations

import hashlib
import secrets
import uuid
from dataclasses import dataclass

from sqlalchemy import or_, select, update
from sqlalchemy.orm import Session

from worker.store.clock import now_s
from worker.store.keys import USE_RESOLUTION_S
from worker.store.limits import APP_LIMITS, RunLimits
from worker.store.models import APPS
from worker.store.schedule_models import WEBHOOK_TRIGGERS, WebhookTrigger
from worker.store.sealing import Sealing
from worker.store.upsert import insert_or

#: Random bytes of a token.
TOKEN_BYTES = 32


@dataclass(frozen=True, slots=True)
class TriggeredApp:
    """What an address stands for."""

    trigger_id: str
    node_id: str
    app_id: str
    #: Of the app: ``normal``, or it is not to be used.
    status: str
    api_enabled: bool
    #: Current version; None: nothing is published.
    workflow_id: str | None
    app_limits: RunLimits


def make_token() -> str:
    return secrets.token_urlsafe(TOKEN_BYTES)


def find_by_token(session: Session, token: str) -> TriggeredApp | None:
    columns = (WEBHOOK_TRIGGERS.c.id, WEBHOOK_TRIGGERS.c.node_id, APPS.c.id, APPS.c.status, APPS.c.api_enabled, APPS.c.workflow_id)
    found = select(*columns, *APP_LIMITS).join(APPS, APPS.c.id == WEBHOOK_TRIGGERS.c.app_id)
    row = session.execute(found.where(WEBHOOK_TRIGGERS.c.token_hash == token_hash(token))).one_or_none()
    return None if row is None else TriggeredApp(*row[:6], RunLimits(*row[6:]))


def note_use(session: Session, trigger_id: str) -> None:
    """Remember that an address was used, to the minute."""
    is_old = or_(WEBHOOK_TRIGGERS.c.last_used_at.is_(None), WEBHOOK_TRIGGERS.c.last_used_at < now_s() - USE_RESOLUTION_S)
    session.execute(update(WEBHOOK_TRIGGERS).where(WEBHOOK_TRIGGERS.c.id == trigger_id, is_old).values(last_used_at=now_s()))


def list_triggers(session: Session, app_id: str) -> dict[str, WebhookTrigger]:
    """Those of an app that have an address, by node id; also of nodes that its current version does not have."""
    return {trigger.node_id: trigger for trigger in session.scalars(select(WebhookTrigger).where(WebhookTrigger.app_id == app_id))}


def put_trigger(session: Session, sealing: Sealing, app_id: str, node_id: str, *, renews: bool) -> None:
    """Give a node an address; ``renews``: another one, if it has one, so that the old one leads nowhere from the next request on."""
    token = make_token()
    sealed = sealing.seal(app_id, _name(node_id), token)
    row = {"token_hash": token_hash(token), "token": sealed, "created_at": now_s()}
    insert = insert_or(session, WebhookTrigger).values(id=str(uuid.uuid4()), app_id=app_id, node_id=node_id, **row)
    keys = ["app_id", "node_id"]
    session.execute(
        insert.on_conflict_do_update(index_elements=keys, set_={**row, "last_used_at": None})
        if renews
        else insert.on_conflict_do_nothing(index_elements=keys)
    )


def open_token(sealing: Sealing, trigger: WebhookTrigger) -> str:
    """Raises ``SealError``."""
    return sealing.open(trigger.app_id, _name(trigger.node_id), trigger.token)


def token_hash(token: str) -> str:
    """Tokens are random, so that a hash without salt says nothing about them."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def _name(node_id: str) -> str:
    return f"webhook trigger {node_id}"
