"""Statements of the hot path: compiled once for each database, then executed by the driver itself.

A session takes 60 µs to execute a statement, SQLite 2, and a run has a dozen of them. They are part of the transaction of their session
like any other statement of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import Enum
from typing import Any

from sqlalchemy import ClauseElement, Dialect
from sqlalchemy.orm import Session
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.schema import ScalarElementColumnDefault

Row = tuple[Any, ...]
Values = Mapping[str, Any]


class Compiled:
    """Text and parameters of a statement for one database."""

    def __init__(self, statement: ClauseElement, dialect: Dialect, columns: Iterable[str] | None) -> None:
        keys = None if columns is None else list(columns)
        compiled = statement.compile(dialect=dialect, column_keys=keys)
        assert isinstance(compiled, SQLCompiler)
        self.text = str(compiled)
        self._defaults = {**_own_values(compiled), **_column_defaults(compiled)}
        #: SQLite counts parameters, psycopg names them.
        self._names = compiled.positiontup if compiled.positional else None

    def execute(self, connection: Any, values: Values) -> Any:
        """The cursor of a connection of the driver, to be read to its end before the next statement."""
        return connection.execute(self.text, self._parameters(values))

    def execute_many(self, connection: Any, rows: Iterable[Values]) -> None:
        """Once for each row."""
        connection.cursor().executemany(self.text, [self._parameters(values) for values in rows])

    def _parameters(self, values: Values) -> Any:
        known = {**self._defaults, **values}
        return known if self._names is None else [known[name] for name in self._names]


class Prepared:
    """One statement without IN, for values that drivers take as they are: texts, numbers, bytes, None.

    ``make``: the statement, or what makes it from a dialect's name where databases differ.
    """

    def __init__(self, make: ClauseElement | Callable[[str], ClauseElement]) -> None:
        self._make = make
        self._compiled: dict[tuple[str, ...], Compiled] = {}

    def execute(self, session: Session, values: Values) -> int:
        """How many rows it changed, for a statement that answers none."""
        count: int = self._cursor(session, values).rowcount
        return count

    def rows(self, session: Session, values: Values) -> list[Row]:
        """What it finds, or what it answers of the rows that it changes."""
        # Read to the end: SQLite commits nothing while a statement has more to say.
        return list(self._cursor(session, values))

    def one(self, session: Session, values: Values) -> Row | None:
        """The only row; None: there is none."""
        rows = self.rows(session, values)
        return rows[0] if rows else None

    def execute_many(self, session: Session, rows: Sequence[Values]) -> None:
        """Once for each row, all of which have values for the same names."""
        self.on(_dialect(session), rows[0]).execute_many(driver_connection(session), rows)

    def on(self, dialect: Dialect, values: Values) -> Compiled:
        """The statement as that database takes it. Of ``values``, the names count."""
        key = self._key(dialect, values)
        found = self._compiled.get(key)
        if found is None:
            statement = self._make if isinstance(self._make, ClauseElement) else self._make(dialect.name)
            found = self._compiled[key] = Compiled(statement, dialect, key[1:] or None)
        return found

    def _cursor(self, session: Session, values: Values) -> Any:
        return self.on(_dialect(session), values).execute(driver_connection(session), values)

    def _key(self, dialect: Dialect, values: Values) -> tuple[str, ...]:
        return (dialect.name,)


class PreparedInsert(Prepared):
    """An INSERT whose columns are the names of its values, besides those that it sets itself."""

    def _key(self, dialect: Dialect, values: Values) -> tuple[str, ...]:
        return (dialect.name, *values)


def driver_connection(session: Session) -> Any:
    """The connection of the driver on which a session's transaction is, for whoever takes care of what the driver raises."""
    found = getattr(session, "driver", None)
    return session.connection().connection.dbapi_connection if found is None else found


def _dialect(session: Session) -> Dialect:
    found: Dialect = getattr(session, "dialect", None) or session.get_bind().dialect
    return found


def _own_values(compiled: SQLCompiler) -> dict[str, Any]:
    """Values that are written into the statement; enumerations as theirs, since drivers take longer for what is almost a text."""
    given = dict.fromkeys(bind.key for bind in compiled.binds.values() if bind.required)
    own = {name: value for name, value in compiled.construct_params(given).items() if name not in given}
    return {name: value.value if isinstance(value, Enum) else value for name, value in own.items()}


def _column_defaults(compiled: SQLCompiler) -> dict[str, Any]:
    """Constants that the model gives to columns which an INSERT does not name."""
    columns = compiled.insert_prefetch if compiled.isinsert else ()
    return {column.key: column.default.arg for column in columns if isinstance(column.default, ScalarElementColumnDefault)}
