"""What only SQLite does: one writer, one file, waiting for other processes."""

import os
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from worker.config import Config, ConfigError
from worker.store import session as sessions
from worker.store import sqlite
from worker.store.errors import StorageUnavailable
from worker.store.session import Database

ROOT = Path(__file__).parents[3]


#: A greenlet that waits for another process, in effect, while a second one goes on.
PATIENT_GREENLET = """
from gevent import monkey
monkey.patch_all()
import os, sqlite3, time
import gevent
from sqlalchemy import text
from worker.config import Config
from worker.store.session import Database

def write():
    with database.begin() as session:
        session.execute(text("INSERT INTO facts VALUES ('a')"))

database = Database.connect(Config.from_env(os.environ))
other = sqlite3.connect(database.engine.url.database, isolation_level=None)
other.execute("BEGIN IMMEDIATE")
writer = gevent.spawn(write)
ticks = 0
for _ in range(20):
    time.sleep(0.01)
    ticks += not writer.dead
other.execute("COMMIT")
writer.get(timeout=5)
print(ticks)
database.dispose()
other.close()
"""


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return Config(data_dir=tmp_path / "not yet" / "there")


@pytest.fixture
def database(config: Config) -> Iterator[Database]:
    database = Database.connect(config)
    with database.begin() as session:
        session.execute(text("CREATE TABLE facts (name TEXT)"))
    yield database
    database.dispose()


@pytest.fixture
def other(database: Database) -> Iterator[sqlite3.Connection]:
    """Another process, as far as SQLite can tell."""
    connection = sqlite3.connect(str(database.engine.url.database), isolation_level=None, check_same_thread=False)
    yield connection
    connection.close()


def write(database: Database) -> None:
    with database.begin() as session:
        session.execute(text("INSERT INTO facts VALUES ('a')"))


def test_every_connection_is_safe_with_several_processes(database: Database) -> None:
    with database.read() as session:
        found = {name: session.scalar(text(f"PRAGMA {name}")) for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")}

    assert found == {"journal_mode": "wal", "synchronous": 1, "foreign_keys": 1, "busy_timeout": 10_000}


def test_a_writer_keeps_its_patience_after_each_transaction(database: Database) -> None:
    with database.begin() as session:
        assert session.scalar(text("PRAGMA busy_timeout")) == 10_000


def test_a_write_waits_for_another_process(database: Database, other: sqlite3.Connection) -> None:
    other.execute("BEGIN IMMEDIATE")
    release = threading.Timer(0.2, lambda: other.execute("COMMIT"))
    release.start()

    write(database)

    release.join()
    with database.read() as session:
        assert session.scalar(text("SELECT count(*) FROM facts")) == 1


def test_a_greenlet_that_waits_for_another_process_does_not_stop_the_others(database: Database, config: Config) -> None:
    environ = {**os.environ, "PENSTOCK_DATA_DIR": str(config.data_dir), "DATABASE_URL": ""}
    started = time.monotonic()

    ended = subprocess.run([sys.executable, "-c", PATIENT_GREENLET], cwd=ROOT, env=environ, capture_output=True, text=True, timeout=60)

    assert (ended.stdout, ended.returncode) == ("20\n", 0), ended.stderr
    assert time.monotonic() - started < sqlite.WAIT_S


def test_a_transaction_that_reads_before_it_writes_cannot_be_overtaken(database: Database, other: sqlite3.Connection) -> None:
    other.execute("PRAGMA busy_timeout = 0")
    with database.begin() as session:
        session.execute(text("SELECT count(*) FROM facts"))
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            other.execute("INSERT INTO facts VALUES ('b')")
        session.execute(text("INSERT INTO facts VALUES ('a')"))


def test_a_database_that_stays_locked_is_unavailable(
    database: Database, other: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "WAIT_S", 0.1)
    other.execute("BEGIN IMMEDIATE")

    with pytest.raises(StorageUnavailable, match="locked"):
        write(database)

    other.execute("COMMIT")
    write(database)


def test_a_reader_does_not_mind_a_locked_database(database: Database, other: sqlite3.Connection) -> None:
    other.execute("BEGIN IMMEDIATE")

    database.ping()


def test_a_thread_waits_its_turn_and_not_for_ever(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sessions, "WAIT_S", 0.1)

    with database.begin(), pytest.raises(StorageUnavailable, match="this process"):
        write(database)

    write(database)


def test_a_full_disk_is_unavailable_and_leaves_no_torn_row(database: Database) -> None:
    def write_much() -> None:
        with database.begin() as session:
            session.execute(text("PRAGMA max_page_count = 1"))
            session.execute(text("INSERT INTO facts VALUES (:text)"), {"text": "x" * 100_000})

    with pytest.raises(StorageUnavailable, match="full"):
        write_much()

    with database.read() as session:
        assert session.scalar(text("SELECT count(*) FROM facts")) == 0


def test_a_folder_that_cannot_be_made_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(StorageUnavailable):
        Database.connect(Config(data_dir=tmp_path / "file" / "data"))


def test_a_library_without_returning_is_refused(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite3, "sqlite_version_info", (3, 26, 0))

    with pytest.raises(ConfigError, match=r"must be 3\.35 or newer"):
        Database.connect(config)


def test_a_database_in_memory_serves_many_threads() -> None:
    database = Database.connect(Config(database_url="sqlite://"))
    with database.begin() as session:
        session.execute(text("CREATE TABLE facts (name TEXT)"))
    threads = [threading.Thread(target=write, args=(database,)) for _ in range(8)]

    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    with database.read() as session:
        assert session.scalar(text("SELECT count(*) FROM facts")) == 8
    database.dispose()
