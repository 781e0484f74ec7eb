"""SQLite as the store: one file, any number of processes on one machine (reliability.md P54)."""

from __future__ import annotations

import random
import sqlite3
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, QueuePool, create_engine, event

from worker.config import ConfigError
from worker.store.errors import StorageUnavailable

#: Seconds that a transaction waits for the writers before it.
WAIT_S = 10.0
#: Longest pause between two tries to become the writer. A transaction takes half a millisecond; with pauses of 20 ms two processes
#: left each other's gaps unused (measured with 32 clients: 57 runs/s, 113 with this).
PAUSE_S = 0.002

#: Execution option of connections that only read.
READS = "penstock_reads"

#: Execution option of connections whose transaction has begun before them (transaction.py).
JOINS = "penstock_joins"

#: The first one with ``UPDATE ... RETURNING``.
OLDEST = (3, 35)

PRAGMAS = ("journal_mode = WAL", "synchronous = NORMAL", "foreign_keys = ON")


def create_sqlite_engine(url: URL, pool_size: int, max_overflow: int) -> Engine:
    """An engine that begins every transaction itself: immediate ones to write, deferred ones to read.

    A database in memory exists in one connection only, so its transactions queue for that one. Raises ``ConfigError`` if the SQLite
    library is too old, ``StorageUnavailable`` if the folder of the file cannot be made.
    """
    if sqlite3.sqlite_version_info < OLDEST:
        raise ConfigError(f"The SQLite library has version {sqlite3.sqlite_version}, but must be 3.35 or newer; or set DATABASE_URL.")
    is_file = url.database not in (None, "", ":memory:")
    engine = create_engine(
        url,
        poolclass=QueuePool,
        pool_size=pool_size if is_file else 1,
        max_overflow=max_overflow if is_file else 0,
        pool_timeout=WAIT_S,
        connect_args={"check_same_thread": False, "timeout": WAIT_S, "isolation_level": None},
    )
    if is_file:
        _make_folder(Path(str(url.database)).parent)
    event.listen(engine, "connect", _prepare)
    event.listen(engine, "begin", _begin)
    return engine


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise StorageUnavailable(f"The folder of the SQLite database cannot be made: {error}.") from error


def _prepare(connection: sqlite3.Connection, record: Any) -> None:
    for pragma in PRAGMAS:
        # Two processes that open a new file together: SQLite does not wait for the other one to switch to WAL.
        _patiently(partial(connection.execute, f"PRAGMA {pragma}"))


def _begin(connection: Connection) -> None:
    database = connection.connection.dbapi_connection
    assert isinstance(database, sqlite3.Connection)
    options = connection.get_execution_options()
    if options.get(READS):
        database.execute("BEGIN")
    elif not options.get(JOINS):
        begin_to_write(database)


def begin_to_write(database: sqlite3.Connection) -> None:
    """Become the one writer now: a transaction that finds out later that it writes cannot wait, it fails.

    SQLite's own waiting is switched off for the statement, since it would stop every greenlet of the process.
    """
    database.execute("PRAGMA busy_timeout = 0")
    try:
        _patiently(partial(database.execute, "BEGIN IMMEDIATE"))
    finally:
        database.execute(f"PRAGMA busy_timeout = {WAIT_S * 1000:.0f}")


def _patiently(execute: Callable[[], object]) -> None:
    """Try for ``WAIT_S`` while another process holds the lock. Raises ``StorageUnavailable`` after that."""
    deadline = time.monotonic() + WAIT_S
    while True:
        try:
            execute()
            return
        except sqlite3.OperationalError as error:
            if not _is_busy(error) or time.monotonic() > deadline:
                raise StorageUnavailable(f"The SQLite database cannot be used: {error}.") from error
        time.sleep(random.uniform(PAUSE_S / 10, PAUSE_S))


def _is_busy(error: sqlite3.OperationalError) -> bool:
    # The low byte is the primary code: SQLITE_BUSY_SNAPSHOT and its like count as SQLITE_BUSY.
    return getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_BUSY
