"""Values that operators give to environment variables of apps, since exports leave secrets out (dsl.md section 7.1).

What lies here is sealed (``store/sealing.py``); it counts for every version of the app that declares the name.
"""

from __future__ import annotations

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from worker.store.clock import now_s
from worker.store.errors import NotFound
from worker.store.models import AppEnvironment
from worker.store.upsert import insert_or


def set_value(session: Session, app_id: str, name: str, sealed: bytes) -> None:
    """Keep a value, in place of an earlier one."""
    row = {"value": sealed, "updated_at": now_s()}
    insert = insert_or(session, AppEnvironment).values(app_id=app_id, name=name, **row)
    session.execute(insert.on_conflict_do_update(index_elements=["app_id", "name"], set_=row))


def unset_value(session: Session, app_id: str, name: str) -> None:
    """Forget a value. Raises ``NotFound`` if there is none."""
    gone = delete(AppEnvironment).where(AppEnvironment.app_id == app_id, AppEnvironment.name == name).returning(AppEnvironment.name)
    if session.scalar(gone.execution_options(synchronize_session=False)) is None:
        raise NotFound(f"No value is set for {name!r}.")


def list_values(session: Session, app_id: str) -> list[AppEnvironment]:
    """The sealed values of an app with their times, by name."""
    return list(session.scalars(select(AppEnvironment).where(AppEnvironment.app_id == app_id).order_by(AppEnvironment.name)))


def load_values(session: Session, app_id: str) -> dict[str, bytes]:
    """The sealed values of an app, for one of its runs."""
    rows = session.execute(select(AppEnvironment.name, AppEnvironment.value).where(AppEnvironment.app_id == app_id))
    return {name: value for name, value in rows}
