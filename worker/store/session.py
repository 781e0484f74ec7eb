"""Transactions: ``with database.begin() as session`` is the unit of work, and nothing waits for a network inside one."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, TypeVar

from sqlalchemy import URL, Engine, exc, make_url, text
from sqlalchemy.orm import Session, sessionmaker

from worker.config import Config, ConfigError
from worker.engine.errors import RunFenced
from worker.store.errors import StorageUnavailable
from worker.store.postgresql import create_postgresql_engine
from worker.store.prepared import Prepared, Row
from worker.store.sqlite import READS, WAIT_S, create_sqlite_engine
from worker.store.transaction import look, write_transaction
from worker.turns import Piece, Turns

T = TypeVar("T")

#: What is done in a transaction.
Work = Callable[[Session], Any]

logger = logging.getLogger(__name__)

#: Seconds for which a run that needs to read something waits for a database that is away; longer than one takes to restart.
FETCH_PATIENCE_S = 120.0

#: Seconds between two tries.
FETCH_PAUSE_S = 0.2

#: What the driver raises when the server is gone, going, full or locked, and the pool when all its connections are busy.
FAILURES = (exc.OperationalError, exc.InterfaceError, exc.InternalError, exc.TimeoutError)


class Database:
    """One per process, made after the fork, used from any number of threads or greenlets."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        #: ``sqlite`` or ``postgresql``.
        self.dialect = engine.dialect.name
        # PostgreSQL: a single statement needs no BEGIN and no ROLLBACK around it, and several see no more than those of READ COMMITTED.
        reads = {READS: True} if self.dialect == "sqlite" else {"isolation_level": "AUTOCOMMIT"}
        self._readers = sessionmaker(engine.execution_options(**reads), expire_on_commit=False)
        # SQLite's readers see one state throughout anyway.
        still = reads if self.dialect == "sqlite" else {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
        self._observers = sessionmaker(engine.execution_options(**still), expire_on_commit=False)
        self._turn = threading.Lock() if self.dialect == "sqlite" else None
        #: Work that shares transactions. SQLite has one writer at a time, so that all of it is one group there.
        self._groups: dict[str, Turns[Work]] = {}

    @classmethod
    def connect(cls, config: Config, *, pool_size: int = 5, max_overflow: int = 5) -> Database:
        """Nothing is opened before the first transaction. The pool's bounds are connections of this process.

        Raises ``ConfigError`` for a URL of neither database or a SQLite library that is too old, ``StorageUnavailable`` if the folder
        of an SQLite file cannot be made.
        """
        url = database_url(config)
        return cls(ENGINES[url.get_backend_name()](url, pool_size, max_overflow))

    @contextmanager
    def begin(self) -> Iterator[Session]:
        """A transaction that writes: committed at the end of the block, rolled back if it raises.

        Raises ``StorageUnavailable``.
        """
        with translated_failures(), self._my_turn(), write_transaction(self.engine) as session:
            yield session

    @contextmanager
    def read(self) -> Iterator[Session]:
        """A session that must not write; it waits for nobody's transaction. Raises ``StorageUnavailable``."""
        with translated_failures(), self._readers() as session:
            yield session

    def look(self, prepared: Prepared, **values: Any) -> list[Row]:
        """The rows that one statement finds. Raises ``StorageUnavailable``."""
        with translated_failures():
            return look(self.engine, prepared, values)

    @contextmanager
    def snapshot(self) -> Iterator[Session]:
        """A session that must not write, and to which nothing changes between its first statement and the end of the block.

        Raises ``StorageUnavailable``.
        """
        with translated_failures(), self._observers() as session:
            yield session

    def fetch(self, work: Callable[[Session], T], patience_s: float = FETCH_PATIENCE_S) -> T:
        """``work`` on a session that must not write, again and again while the database is away: that delays a run, it decides none.

        For what runs read, and a worker at its start; a request would rather be refused. Raises ``StorageUnavailable`` after
        ``patience_s`` seconds.
        """
        give_up_at = time.monotonic() + patience_s
        while True:
            try:
                with self.read() as session:
                    return work(session)
            except StorageUnavailable as error:
                if time.monotonic() >= give_up_at:
                    raise
                logger.warning("Waiting for the database: %s", error)
            time.sleep(FETCH_PAUSE_S)

    def transact(self, work: Callable[[Session], T]) -> T:
        """``work`` in one transaction; once more if the connection broke in the middle (reliability.md P53).

        The first try may have been committed all the same, so ``work`` must be safe to repeat. Raises ``StorageUnavailable``.
        """
        try:
            return self.transact_once(work)
        except StorageUnavailable as error:
            if not error.is_disconnect:
                raise
        return self.transact_once(work)

    def transact_once(self, work: Callable[[Session], T], group: str = "") -> T:
        """``work`` in one transaction, done again only if it was rolled back for sure. Raises ``StorageUnavailable``.

        Work of a ``group`` that comes while some of it is being done shares the next transaction, and its commit. For work that would
        wait for the same row: others must not hold rows in turn that this work may come to.
        """
        if not group and self._turn is None:
            with self.begin() as session:
                return work(session)
        result: T = self._turns_of(group if self._turn is None else "").get(work)
        return result

    def _turns_of(self, group: str) -> Turns[Work]:
        return self._groups.get(group) or self._groups.setdefault(group, Turns(self._write_together))

    def _write_together(self, pieces: Sequence[Piece[Work]]) -> None:
        try:
            with self.begin() as session:
                for piece in pieces:
                    piece.result = piece.order(session)
        except (Exception, RunFenced) as error:
            # A fenced run is a signal to its own thread, and must not reach the one that happens to do the work.
            self._settle(pieces, error)

    def _settle(self, pieces: Sequence[Piece[Work]], error: Exception | RunFenced) -> None:
        """If one of several is to blame, the others are not."""
        if len(pieces) > 1 and not isinstance(error, StorageUnavailable):
            for piece in pieces:
                self._write_together([piece])
        else:
            for piece in pieces:
                piece.error = error

    def ping(self) -> None:
        """Raises ``StorageUnavailable`` if the database does not answer."""
        with self.read() as session:
            session.execute(text("SELECT 1"))

    def dispose(self) -> None:
        """Close the connections that are not in use."""
        self.engine.dispose()

    def _my_turn(self) -> AbstractContextManager[None]:
        return nullcontext() if self._turn is None else writer_turn(self._turn)


ENGINES = {"sqlite": create_sqlite_engine, "postgresql": create_postgresql_engine}


def database_url(config: Config) -> URL:
    """Raises ``ConfigError``, without the URL: it may hold a password."""
    try:
        url = make_url(config.sql_url)
    except (exc.ArgumentError, ValueError):
        raise ConfigError("DATABASE_URL cannot be read, but must be a PostgreSQL or SQLite URL.") from None
    if url.get_backend_name() not in ENGINES:
        raise ConfigError(f"DATABASE_URL is for {url.get_backend_name()!r}, but must be a PostgreSQL or SQLite URL.")
    return url


@contextmanager
def writer_turn(lock: threading.Lock) -> Iterator[None]:
    """SQLite has one writer at a time: threads of a process queue here, in order, rather than poll for the file's lock."""
    if not lock.acquire(timeout=WAIT_S):
        raise StorageUnavailable("Another transaction of this process has held the SQLite database for too long.")
    try:
        yield
    finally:
        lock.release()


@contextmanager
def translated_failures() -> Iterator[None]:
    """Failures of the database as ``StorageUnavailable``; mistakes in statements and broken constraints stay what they are."""
    try:
        yield
    except FAILURES as error:
        is_disconnect = isinstance(error, exc.DBAPIError) and error.connection_invalidated
        raise StorageUnavailable(f"The database does not answer: {reason(error)}", is_disconnect=is_disconnect) from error


def reason(error: exc.SQLAlchemyError) -> str:
    """First line of what the driver said, without the statement and its values."""
    said = str(error.orig if isinstance(error, exc.DBAPIError) else error)
    return said.partition("\n")[0]
