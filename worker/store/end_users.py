"""End users: whom the client says it runs workflows for (api-contract.md section 1.3)."""

from __future__ import annotations

import uuid

from sqlalchemy import bindparam, select
from sqlalchemy.orm import Session

from worker.store.clock import now_s
from worker.store.encoding import clean_text
from worker.store.models import EndUser
from worker.store.prepared import Prepared
from worker.store.session import Database
from worker.store.upsert import insert_or

#: Session id of the end user that all requests without ``user`` share.
ANONYMOUS = "DEFAULT-USER"


def find_end_user(session: Session, app_id: str, session_id: str | None = None) -> str | None:
    """Id of the end user that goes by ``session_id`` in this app; the anonymous one for None. None: it was never heard of."""
    return _find(session, app_id, _name(session_id))


def look_up_end_user(database: Database, app_id: str, session_id: str | None = None) -> str | None:
    """The same, by one statement on its own. Raises ``StorageUnavailable``."""
    rows = database.look(FIND, app=app_id, name=_name(session_id))
    return rows[0][0] if rows else None


def ensure_end_user(session: Session, app_id: str, session_id: str | None = None) -> str:
    """The same, made on first use."""
    name = _name(session_id)
    return _find(session, app_id, name) or _create(session, app_id, name) or _await_other(session, app_id, name)


def _name(session_id: str | None) -> str:
    return ANONYMOUS if session_id is None else clean_text(session_id)


def _find(session: Session, app_id: str, name: str) -> str | None:
    row = FIND.one(session, {"app": app_id, "name": name})
    return None if row is None else row[0]


FIND = Prepared(select(EndUser.id).where(EndUser.app_id == bindparam("app"), EndUser.session_id == bindparam("name")))


def _create(session: Session, app_id: str, name: str) -> str | None:
    """None if another request was faster; PostgreSQL waits for that one's transaction."""
    values = {"id": str(uuid.uuid4()), "app_id": app_id, "session_id": name, "is_anonymous": name == ANONYMOUS, "created_at": now_s()}
    insert = insert_or(session, EndUser).values(values).on_conflict_do_nothing(index_elements=["app_id", "session_id"])
    return session.scalar(insert.returning(EndUser.id))


def _await_other(session: Session, app_id: str, name: str) -> str:
    return session.execute(select(EndUser.id).where(EndUser.app_id == app_id, EndUser.session_id == name)).scalar_one()
