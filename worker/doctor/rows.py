"""Rows of a table that are examined by their ids, a page at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import ColumnElement, or_, select

from worker.doctor.finding import Check, Finding
from worker.store.session import Database

#: Rows of one page.
PAGE = 500

#: What a row must not be, and how that is said.
Wrong = tuple[ColumnElement[bool], str]


def pages(database: Database, key: ColumnElement[Any], size: int) -> Iterator[Sequence[str]]:
    """All ids in a column, in order, ``size`` at a time."""
    after = ""
    while page := _page(database, key, size, after):
        yield page
        after = page[-1]


def _page(database: Database, key: ColumnElement[Any], size: int, after: str) -> Sequence[str]:
    with database.read() as session:
        return session.scalars(select(key).where(key > after).order_by(key).limit(size)).all()


class Rows:
    """An ``Area``: its keys are the ids of rows, none of which may be ``wrong`` by what it says itself."""

    def __init__(self, database: Database, check: Check, key: ColumnElement[Any], wrongs: Sequence[Wrong], settle_s: float) -> None:
        self.checks = (check,)
        self.settle_s = settle_s
        self._database = database
        self._key = key
        self._wrongs = wrongs

    def batches(self) -> Iterator[Sequence[str]]:
        return pages(self._database, self._key, PAGE)

    def look(self, keys: Sequence[str]) -> list[Finding]:
        (check,) = self.checks
        conditions = [condition for condition, _ in self._wrongs]
        with self._database.read() as session:
            rows = session.execute(select(self._key, *conditions).where(self._key.in_(keys), or_(*conditions))).all()
        return [check.finding(row[0], text) for row in rows for is_so, (_, text) in zip(row[1:], self._wrongs, strict=True) if is_so]
