"""Secrets that sign webhook messages: made here, shown as Standard Webhooks shows them, and sealed in the database."""

from __future__ import annotations

import base64
import os
import uuid

from sqlalchemy import select
from sqlalchemy.orm import Session

from worker.config import Config
from worker.store.clock import now_s
from worker.store.models import WEBHOOK_ENDPOINTS, WebhookEndpoint
from worker.store.sealing import Sealing
from worker.store.session import Database
from worker.store.upsert import insert_or
from worker.store.webhooks import OF_RUNS

#: How secrets are shown (Standard Webhooks, "Signature scheme"), and their random bytes: 24 to 64.
PREFIX = "whsec_"
RANDOM_BYTES = 32


def make_secret() -> str:
    return PREFIX + base64.b64encode(os.urandom(RANDOM_BYTES)).decode("ascii")


def key_of(secret: str) -> bytes:
    """The HMAC key that a secret encodes."""
    return base64.b64decode(secret.removeprefix(PREFIX))


def seal_secret(sealing: Sealing, app_id: str, url: str, secret: str) -> bytes:
    """Bound to the endpoint's address: a row whose address somebody changed does not open."""
    return sealing.seal(app_id, _name(url), secret)


def open_secret(sealing: Sealing, app_id: str, url: str, sealed: bytes) -> str:
    """Raises ``SealError``."""
    return sealing.open(app_id, _name(url), sealed)


def secret_of_runs(config: Config, database: Database, app_id: str) -> bytes:
    """The sealed secret of an app for addresses that its runs name; made by whoever needs it first. Raises ``SealError``."""
    with database.read() as session:
        sealed = find_secret_of_runs(session, app_id)
    if sealed is not None:
        return sealed
    made = seal_secret(Sealing.provide(config), app_id, OF_RUNS, make_secret())
    database.transact(lambda session: put_secret_of_runs(session, app_id, made))
    return secret_of_runs(config, database, app_id)


def find_secret_of_runs(session: Session, app_id: str) -> bytes | None:
    """Sealed; None: nobody has needed it yet."""
    endpoint = (WEBHOOK_ENDPOINTS.c.app_id == app_id, WEBHOOK_ENDPOINTS.c.url == OF_RUNS)
    return session.execute(select(WEBHOOK_ENDPOINTS.c.secret).where(*endpoint)).scalar()


def put_secret_of_runs(session: Session, app_id: str, sealed: bytes) -> None:
    """Keep the secret, unless the app has one."""
    row = {"id": str(uuid.uuid4()), "app_id": app_id, "url": OF_RUNS, "events": "", "secret": sealed, "created_at": now_s()}
    session.execute(insert_or(session, WebhookEndpoint).values(row).on_conflict_do_nothing(index_elements=["app_id", "url"]))


def _name(url: str) -> str:
    return f"webhook {url}"
