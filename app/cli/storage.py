"""The database of a command: opened, checked, closed."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from worker.config import Config
from worker.store.migrate import check_schema, upgrade
from worker.store.session import Database


@contextlib.contextmanager
def opened(config: Config) -> Iterator[Database]:
    """The database with the tables of this release; the SQLite file of the data folder is made when it is missing.

    Raises ``SchemaError``, ``StorageUnavailable``.
    """
    if not config.database_url:
        config.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        upgrade(config)
    database = Database.connect(config)
    try:
        check_schema(database)
        yield database
    finally:
        database.dispose()
