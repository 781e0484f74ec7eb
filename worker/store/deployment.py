"""Facts that all processes of a deployment share, kept where all of them look."""

from __future__ import annotations

import secrets

from sqlalchemy import select
from sqlalchemy.orm import Session

from worker.store.models import Deployment
from worker.store.upsert import insert_or

SIGNING_SECRET = "signing_secret"


def signing_secret(session: Session) -> str:
    """The secret that signs file URLs, made by whichever process asks first; 64 hex digits."""
    return known_signing_secret(session) or _keep(session, SIGNING_SECRET, secrets.token_hex(32))


def known_signing_secret(session: Session) -> str | None:
    """The same without making one."""
    return read_fact(session, SIGNING_SECRET)


def read_fact(session: Session, name: str) -> str | None:
    return session.scalar(select(Deployment.value).where(Deployment.name == name))


def _keep(session: Session, name: str, value: str) -> str:
    """The value that was stored first: ours, or that of a process which was faster."""
    session.execute(insert_or(session, Deployment).values(name=name, value=value).on_conflict_do_nothing(index_elements=["name"]))
    return session.execute(select(Deployment.value).where(Deployment.name == name)).scalar_one()
