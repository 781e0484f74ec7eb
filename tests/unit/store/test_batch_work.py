"""The dispatcher asks many times a second: what it asks must not take longer the more items a batch has."""

from collections.abc import Iterator

import pytest
from sqlalchemy import Executable, text
from sqlalchemy.dialects import sqlite

from tests.unit.running import memory_database
from worker.store import batch_collecting, batch_dispatch, batch_work
from worker.store.session import Database


@pytest.fixture
def database() -> Iterator[Database]:
    made = memory_database()
    yield made
    made.dispose()


@pytest.mark.parametrize(
    ("statement", "index"),
    [
        (batch_work.TALLIES, "ix_batch_items_running"),
        (batch_collecting.COLLECTABLE, "ix_batch_items_running"),
        (batch_dispatch.NEXT_ITEMS, "ix_batch_items_waiting"),
    ],
)
def test_few_items_are_found_among_many(database: Database, statement: Executable, index: str) -> None:
    options = {"render_postcompile": True}
    sql = statement.compile(dialect=sqlite.dialect(paramstyle="named"), compile_kwargs=options)  # type: ignore[attr-defined]
    values = {**{name: 1 for name in sql.params}, **{name: value for name, value in sql.params.items() if value is not None}}
    with database.read() as session:
        plan = [row.detail for row in session.execute(text(f"EXPLAIN QUERY PLAN {sql}"), values)]

    assert f"batch_items USING INDEX {index}" in plan[0]
