"""Transactions of the driver's own: SQLAlchemy takes 75 µs to begin and end one, for each of its layers, and 60 to ask one question."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Engine, PoolProxiedConnection, exc
from sqlalchemy.orm import Session

from worker.store.prepared import Prepared, Row, Values
from worker.store.sqlite import JOINS, begin_to_write


class WritingSession(Session):
    """A session in a transaction that has begun; it joins when a statement is executed the usual way (``prepared.py`` has another)."""

    def __init__(self, engine: Engine, pooled: PoolProxiedConnection) -> None:
        super().__init__(expire_on_commit=False)
        self._engine = engine
        self._pooled = pooled
        self._joined: Connection | None = None
        #: The driver's connection.
        self.driver: Any = pooled.dbapi_connection

    def get_bind(self, *arguments: Any, **options: Any) -> Connection:
        if self._joined is None:
            self._joined = Connection(self._engine.execution_options(**{JOINS: True}), connection=self._pooled)
        return self._joined

    @property
    def dialect(self) -> Any:
        return self._engine.dialect


@contextmanager
def write_transaction(engine: Engine) -> Iterator[WritingSession]:
    """Committed at the end of the block, rolled back if it raises. Raises what SQLAlchemy raises, whoever executed a statement."""
    with checked_out(engine) as pooled:
        session = WritingSession(engine, pooled)
        if engine.dialect.name == "sqlite":
            begin_to_write(session.driver)
        try:
            yield session
            if session.in_transaction():
                session.commit()
            session.driver.commit()
        finally:
            if session.in_transaction():
                session.close()


def look(engine: Engine, prepared: Prepared, values: Values) -> list[Row]:
    """What one statement finds, without a transaction around it."""
    with checked_out(engine) as pooled:
        connection: Any = pooled.dbapi_connection
        if engine.dialect.name == "sqlite":
            return list(prepared.on(engine.dialect, values).execute(connection, values))
        connection.autocommit = True
        try:
            return list(prepared.on(engine.dialect, values).execute(connection, values))
        finally:
            connection.autocommit = False


@contextmanager
def checked_out(engine: Engine) -> Iterator[PoolProxiedConnection]:
    """A connection of the pool, which rolls back what it gets back uncommitted. Errors of the driver become SQLAlchemy's."""
    pooled = None
    try:
        pooled = engine.raw_connection()
        yield pooled
    except engine.dialect.loaded_dbapi.Error as error:
        raise _translated(engine, pooled, error) from error
    finally:
        if pooled is not None:
            pooled.close()


def _translated(engine: Engine, pooled: PoolProxiedConnection | None, error: Any) -> Exception:
    is_broken = pooled is not None and engine.dialect.is_disconnect(error, pooled.dbapi_connection, None)
    if pooled is not None and is_broken:
        pooled.invalidate(error)
    base = engine.dialect.loaded_dbapi.Error
    return exc.DBAPIError.instance(None, None, error, base, connection_invalidated=is_broken, dialect=engine.dialect)
