"""Transactions: committed or not at all, in threads and greenlets, with failures that have one name."""

import os
import subprocess
import sys
import threading
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from tests.contract.store.world import count
from tests.services.postgres import Postgres
from tests.services.waiting import wait_for
from worker.config import Config
from worker.engine.errors import RunFenced
from worker.store.clock import now_s
from worker.store.errors import StorageUnavailable
from worker.store.models import Deployment
from worker.store.session import Database

ROOT = Path(__file__).parents[3]

#: Greenlets that all write, some while others hold a transaction open over a pause: none may stand still or get lost.
GREENLETS = """
from gevent import monkey
monkey.patch_all()
import os, time
import gevent
from sqlalchemy import func, select
from tests.services.waiting import wait_for
from worker.config import Config
from worker.engine.errors import RunFenced
from worker.store.models import Deployment
from worker.store.session import Database

database = Database.connect(Config.from_env(os.environ))

def write(number):
    with database.begin() as session:
        session.add(Deployment(name=f"fact {number}", value=""))
        session.flush()
        time.sleep(0.001)

ticks = []
ticker = gevent.spawn(lambda: [ticks.append(time.sleep(0.001)) for _ in range(10_000)])
gevent.joinall([gevent.spawn(write, number) for number in range(50)], raise_error=True)
ticker.kill()
with database.read() as session:
    print(session.scalar(select(func.count()).select_from(Deployment)), len(ticks) > 10)
database.dispose()
"""


@pytest.fixture
def own_postgres() -> Iterator[Postgres]:
    with Postgres() as server:
        yield server


def add(session: Session, name: str) -> None:
    session.add(Deployment(name=name, value=""))


def test_a_block_that_raises_changes_nothing(database: Database) -> None:
    def add_and_fail() -> None:
        with database.begin() as session:
            add(session, "a")
            session.flush()
            raise RuntimeError

    with pytest.raises(RuntimeError):
        add_and_fail()

    assert count(database, Deployment) == 0


def test_a_reader_sees_what_was_committed_before_and_waits_for_no_writer(database: Database) -> None:
    with database.begin() as writer:
        add(writer, "a")
        writer.flush()
        assert count(database, Deployment) == 0

    assert count(database, Deployment) == 1


def test_nothing_changes_in_a_snapshot_and_nobody_waits_for_it(database: Database) -> None:
    with database.snapshot() as session:
        assert session.scalars(select(Deployment.name)).all() == []
        with database.begin() as other:
            add(other, "later")
        assert session.scalars(select(Deployment.name)).all() == []

    with database.snapshot() as session:
        assert session.scalars(select(Deployment.name)).all() == ["later"]


def test_a_connection_that_showed_a_snapshot_can_write_again(database: Database) -> None:
    for number in range(30):
        with database.snapshot() as session:
            session.scalars(select(Deployment.name)).all()
        with database.begin() as session:
            add(session, f"fact {number}")

    assert count(database, Deployment) == 30


def test_writers_in_many_threads_all_get_their_turn(database: Database) -> None:
    def write(number: int) -> None:
        with database.begin() as session:
            add(session, str(number))

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(write, range(100)))

    assert count(database, Deployment) == 100


def test_greenlets_do_not_block_each_other(own_database: Database, empty_config: Config) -> None:
    environ = {**os.environ, "DATABASE_URL": empty_config.database_url}

    ended = subprocess.run([sys.executable, "-c", GREENLETS], cwd=ROOT, env=environ, capture_output=True, text=True, timeout=60)

    assert (ended.stdout, ended.returncode) == ("50 True\n", 0), ended.stderr


def test_the_clock_is_the_same_all_over_a_statement(database: Database) -> None:
    with database.read() as session:
        first, second = session.execute(select(now_s(), now_s())).one()

    assert first == second


def test_the_clock_moves_on_inside_a_transaction(database: Database) -> None:
    with database.begin() as session:
        first = session.execute(select(now_s())).scalar_one()
        threading.Event().wait(0.01)
        second = session.execute(select(now_s())).scalar_one()

    assert 0.009 <= second - first < 5


def test_a_ping_is_answered(database: Database) -> None:
    database.ping()


def test_a_broken_constraint_is_not_taken_for_a_failure_of_the_database(database: Database) -> None:
    def add_twice() -> None:
        with database.begin() as session:
            add(session, "a")
            session.flush()
            session.execute(text("INSERT INTO deployment VALUES ('a', '')"))

    with pytest.raises(IntegrityError):
        add_twice()

    assert count(database, Deployment) == 0


def test_a_server_that_is_not_there_is_unavailable() -> None:
    database = Database.connect(Config(database_url="postgresql://nobody@127.0.0.1:1/none"))

    with pytest.raises(StorageUnavailable, match="does not answer") as caught:
        database.ping()
    with pytest.raises(StorageUnavailable), database.begin() as session:
        session.execute(text("SELECT 1"))

    assert "\n" not in str(caught.value)
    database.dispose()


def test_a_pool_whose_connections_are_all_busy_is_unavailable(own_postgres: Postgres) -> None:
    database = Database.connect(Config(database_url=own_postgres.url()), pool_size=1, max_overflow=0)
    database.engine.pool._timeout = 0.1

    with database.begin() as holder:
        holder.execute(text("SELECT 1"))
        with pytest.raises(StorageUnavailable):
            database.ping()

    database.dispose()


def test_connections_of_a_restarted_server_are_replaced_unnoticed(own_postgres: Postgres) -> None:
    database = Database.connect(Config(database_url=own_postgres.url()))
    database.ping()

    own_postgres.restart()

    database.ping()
    database.dispose()


def test_a_unit_of_work_whose_connection_broke_is_done_once_more(own_postgres: Postgres) -> None:
    database = Database.connect(Config(database_url=own_postgres.url()))
    with database.begin() as session:
        session.execute(text("CREATE TABLE facts (name text)"))
    tries = []

    def work(session: Session) -> int:
        session.execute(text("INSERT INTO facts VALUES ('a')"))
        tries.append(1)
        if len(tries) == 1:
            own_postgres.restart()
        return session.execute(text("SELECT count(*) FROM facts")).scalar_one()

    assert database.transact(work) == 1
    assert len(tries) == 2
    database.dispose()


def test_a_unit_of_work_fails_if_the_server_stays_away(own_postgres: Postgres) -> None:
    database = Database.connect(Config(database_url=own_postgres.url()))

    def work(session: Session) -> None:
        session.execute(text("SELECT 1"))
        own_postgres.stop()
        session.execute(text("SELECT 1"))

    with pytest.raises(StorageUnavailable):
        database.transact(work)

    database.dispose()


def test_what_a_run_reads_is_waited_for_while_the_server_is_away(own_postgres: Postgres) -> None:
    database = Database.connect(Config(database_url=own_postgres.url()))
    tries: list[int] = []

    def read(session: Session) -> int:
        tries.append(1)
        if len(tries) == 1:
            own_postgres.stop()
        elif len(tries) == 3:
            own_postgres.start()
        return session.execute(text("SELECT 7")).scalar_one()

    assert database.fetch(read) == 7
    assert len(tries) == 3
    database.dispose()


def test_what_a_run_reads_is_not_waited_for_for_ever() -> None:
    database = Database.connect(Config(database_url="postgresql://nobody@127.0.0.1:1/none"))

    with pytest.raises(StorageUnavailable):
        database.fetch(lambda session: session.execute(text("SELECT 1")), patience_s=0.3)

    database.dispose()


def test_a_fenced_run_takes_nobody_along_whose_transaction_it_shares(database: Database) -> None:
    def fenced(session: Session) -> None:
        add(session, "fenced")
        session.flush()
        raise RunFenced

    def innocent(session: Session) -> int:
        add(session, f"fact {uuid.uuid4()}")
        session.flush()
        return 7

    begun, over = threading.Event(), threading.Event()
    # SQLite has one group for all.
    group = "" if database.dialect == "sqlite" else "one"

    def hold(session: Session) -> None:
        begun.set()
        assert over.wait(10)

    with ThreadPoolExecutor(7) as pool:
        holder = pool.submit(database.transact_once, hold, "one")
        assert begun.wait(10)
        # Whoever leads the next transaction, and whoever is in it.
        works = [innocent, fenced, innocent, fenced, innocent]
        others = [pool.submit(database.transact_once, work, "one") for work in works]
        wait_for(lambda: len(database._turns_of(group)._waiting) == len(works), "five who wait", 10)
        over.set()
        holder.result()

        for work, other in zip(works, others, strict=True):
            if work is innocent:
                assert other.result() == 7
            else:
                with pytest.raises(RunFenced):
                    other.result()
    assert count(database, Deployment) == 3
