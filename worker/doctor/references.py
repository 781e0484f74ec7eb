"""No row refers to one that is not there.

The databases see to that themselves, as long as their foreign keys are in force: SQLite forgets to for every connection that does not
ask, and a restored dump may lack them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import ForeignKey, Table, select, tuple_

from worker.doctor.finding import Check, Finding
from worker.store.session import Database
from worker.store.tables import Base

#: Rows of one batch.
BATCH = 1000

REFERENCES = Check(
    "references",
    "No row of the database refers to one that is not there: no node result, event, payload or form without its run.",
    "Rows were removed past the foreign keys, or a dump was restored in part. Restore what is missing, or delete what refers to it.",
)

Key = tuple[Any, ...]


class References:
    """An ``Area``: the rows of one table that refer to another one; its keys are their primary keys."""

    checks = (REFERENCES,)
    settle_s = 0.0

    def __init__(self, database: Database, key: ForeignKey) -> None:
        self._database = database
        self._column = key.parent
        self._target = key.column
        self._table: Table = self._column.table
        self._primary = tuple(self._table.primary_key.columns)

    def batches(self) -> Iterator[Sequence[Key]]:
        after: Key | None = None
        while batch := self._batch_after(after):
            yield batch
            after = batch[-1]

    def _batch_after(self, after: Key | None) -> Sequence[Key]:
        rows = select(*self._primary).where(self._column.is_not(None)).order_by(*self._primary).limit(BATCH)
        if after is not None:
            rows = rows.where(tuple_(*self._primary) > tuple_(*after))
        with self._database.read() as session:
            return [tuple(row) for row in session.execute(rows)]

    def look(self, keys: Sequence[Key]) -> list[Finding]:
        target = self._target.table.alias()
        is_there = select(target.c[self._target.name]).where(target.c[self._target.name] == self._column).exists()
        orphans = select(*self._primary, self._column.label("missing")).where(tuple_(*self._primary).in_(keys), self._column.is_not(None))
        with self._database.read() as session:
            rows = session.execute(orphans.where(~is_there)).all()
        return [
            REFERENCES.finding(self._name(row[:-1]), f"refers to {self._target.table.name} {row.missing}, which is not there")
            for row in rows
        ]

    def _name(self, key: Sequence[Any]) -> str:
        return f"{self._table.name} {'/'.join(map(str, key))}"


def references(database: Database) -> Iterator[References]:
    """Every reference between tables of this release."""
    for table in Base.metadata.sorted_tables:
        for key in sorted(table.foreign_keys, key=lambda key: key.parent.name):
            yield References(database, key)
