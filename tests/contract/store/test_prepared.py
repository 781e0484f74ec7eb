"""Statements that the driver executes: the same as SQLAlchemy's, in the same transaction."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import bindparam, delete, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from tests.contract.store.world import count
from worker.config import Config
from worker.store.errors import NotFound, StorageUnavailable
from worker.store.models import App, Deployment
from worker.store.prepared import Prepared, PreparedInsert
from worker.store.session import Database

ADD = PreparedInsert(insert(Deployment))
FIND = Prepared(select(Deployment.value).where(Deployment.name == bindparam("wanted")))
CHANGE = Prepared(update(Deployment).where(Deployment.name == bindparam("wanted")).values(value="changed").returning(Deployment.name))

REMOVE = Prepared(delete(Deployment).where(Deployment.name == bindparam("wanted")))


def add(session: Session, name: str) -> None:
    ADD.execute(session, {"name": name, "value": ""})


def test_a_prepared_statement_is_part_of_its_transaction(database: Database) -> None:
    def add_and_fail() -> None:
        with database.begin() as session:
            add(session, "a")
            session.add(Deployment(name="b", value=""))
            session.flush()
            assert count_in(session) == 2
            raise RuntimeError

    with pytest.raises(RuntimeError):
        add_and_fail()
    assert count(database, Deployment) == 0


def count_in(session: Session) -> int:
    return len(session.scalars(select(Deployment.name)).all())


def test_what_a_session_has_not_written_yet_is_committed_too(database: Database) -> None:
    with database.begin() as session:
        add(session, "a")
        session.add(Deployment(name="b", value=""))

    assert count(database, Deployment) == 2


def test_it_answers_tuples(database: Database) -> None:
    with database.begin() as session:
        add(session, "a")
        assert CHANGE.one(session, {"wanted": "a"}) == ("a",)
        assert CHANGE.one(session, {"wanted": "b"}) is None
        assert REMOVE.execute(session, {"wanted": "b"}) == 0
        assert ADD.execute(session, {"name": "b", "value": ""}) == 1
        assert REMOVE.execute(session, {"wanted": "b"}) == 1

    with database.read() as session:
        assert FIND.one(session, {"wanted": "a"}) == ("changed",)


def test_many_rows_are_one_call(database: Database) -> None:
    with database.begin() as session:
        ADD.execute_many(session, [{"name": str(number), "value": ""} for number in range(10)])

    assert count(database, Deployment) == 10


def test_an_insert_takes_the_defaults_of_the_model(database: Database) -> None:
    with database.begin() as session:
        PreparedInsert(insert(App)).execute(session, {"id": "an-app", "name": "App", "created_at": 1.0})

    with database.read() as session:
        made = session.get_one(App, "an-app")
    assert (made.mode, made.api_enabled, made.last_sequence_number, made.icon) == ("workflow", True, 0, None)


def test_a_look_needs_no_transaction_and_leaves_none(database: Database) -> None:
    assert database.look(FIND, wanted="a") == []
    with database.begin() as session:
        add(session, "a")

    assert [database.look(FIND, wanted="a") for _ in range(30)] == [[("",)]] * 30


def test_what_the_driver_raises_is_what_sqlalchemy_raises(database: Database) -> None:
    def add_twice() -> None:
        with database.begin() as session:
            add(session, "a")
            add(session, "a")

    with pytest.raises(IntegrityError):
        add_twice()
    assert count(database, Deployment) == 0


def test_a_look_at_a_server_that_is_not_there_fails_like_any_other() -> None:
    database = Database.connect(Config(database_url="postgresql://nobody@127.0.0.1:1/none"))

    with pytest.raises(StorageUnavailable, match="does not answer"):
        database.look(FIND, wanted="a")

    database.dispose()


@pytest.mark.parametrize("group", ["", "a group"])
def test_transactions_of_many_threads_fail_and_succeed_on_their_own(database: Database, group: str) -> None:
    """Those of a group share transactions; on SQLite all do."""
    begins = threading.Barrier(8)

    def work(number: int) -> str:
        begins.wait(10)
        return database.transact_once(lambda session: write(session, number), group)

    def write(session: Session, number: int) -> str:
        add(session, str(number))
        if number % 4 == 3:
            raise NotFound(f"{number} is not wanted.")
        return str(number)

    with ThreadPoolExecutor(8) as pool:
        done = [pool.submit(work, number) for number in range(64)]
    failed = [number for number, one in enumerate(done) if one.exception()]

    assert failed == [number for number in range(64) if number % 4 == 3]
    assert [one.result() for number, one in enumerate(done) if number % 4 != 3] == [str(number) for number in range(64) if number % 4 != 3]
    assert count(database, Deployment) == 48
