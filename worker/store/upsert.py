"""``INSERT ... ON CONFLICT``: the same in both databases, but not in SQLAlchemy's core."""

from __future__ import annotations

from typing import cast

from sqlalchemy import Table
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from worker.store.models import Base


def insert_or(session: Session, model: type[Base]) -> postgresql.Insert | sqlite.Insert:
    """An INSERT with ``on_conflict_do_nothing`` and ``on_conflict_do_update``, for the database of the session."""
    return insert_for(session.get_bind().dialect.name, model)


def insert_for(dialect: str, model: type[Base]) -> postgresql.Insert | sqlite.Insert:
    """The same, by the name of a dialect."""
    make = postgresql.insert if dialect == "postgresql" else sqlite.insert
    return make(cast(Table, model.__table__))
