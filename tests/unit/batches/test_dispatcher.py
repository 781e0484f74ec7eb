import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import select, update

from tests.unit.running import memory_database, success
from worker.batches.dispatcher import BEGUN_AT_A_TIME, BEGUN_BESIDE_PEOPLE, BatchDispatcher
from worker.broker import BATCH_QUEUE
from worker.bus.memory import MemoryEventLog
from worker.bus.rates import MemoryRates
from worker.closing import stop_run
from worker.config import Config
from worker.dispatcher import MemoryDispatcher
from worker.engine.variables import remote_address
from worker.store import batches
from worker.store.apps import Profile, create_app, publish
from worker.store.batch_controls import cancel_batch
from worker.store.batch_facts import BatchFacts, BatchStatus, load_batch
from worker.store.batch_models import BATCHES, Batch
from worker.store.claims import claim, finish_run
from worker.store.end_users import ensure_end_user
from worker.store.errors import StorageUnavailable
from worker.store.limit_settings import change_limits
from worker.store.locks import acquire_lock
from worker.store.models import RUNS, Lock
from worker.store.session import Database


class Silence:
    """Commands that nobody hears."""

    def stop(self, run_id: str) -> None:
        return


class Office:
    """A database, and any number of dispatchers over it; the test plays the workers."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.sent = MemoryDispatcher()
        self.log = MemoryEventLog()
        self.stopped: list[str] = []

    def dispatcher(self, owner: str = "one", *, is_quiet: bool = True) -> BatchDispatcher:
        return BatchDispatcher(self.database, self.sent, MemoryRates(), Config(), owner, self.stop, lambda: is_quiet)

    def stop(self, app_id: str, task_id: str) -> None:
        self.stopped.append(task_id)
        stop_run(self.database, self.log, Silence(), remote_address, app_id, task_id)

    def submit(self, number: int, **options: Any) -> str:
        with self.database.begin() as session:
            app = create_app(session, Profile("App"))
            version, _ = publish(session, app.id, {"graph": {}}, uuid.uuid4().hex)
            user = ensure_end_user(session, app.id, "ada")
            batch = batches.NewBatch(app.id, version.id, version.version, user, **options)
            batch_id = batches.new_batch(session, batch).batch_id
        with self.database.begin() as session:
            batches.add_items(session, batch_id, [batches.NewItem(f"{n}", n, {"name": "Ada"}) for n in range(number)])
        with self.database.begin() as session:
            batches.seal_batch(session, batch_id)
        return batch_id

    def facts(self, batch_id: str) -> BatchFacts:
        with self.database.read() as session:
            found = load_batch(session, batch_id)
        assert found is not None
        return found

    def execute_all(self) -> int:
        """Workers bring every run to its end that was sent; answers how many."""
        with self.database.read() as session:
            ids = session.scalars(select(RUNS.c.id).where(RUNS.c.finished_at.is_(None))).all()
        for run_id in ids:
            with self.database.begin() as session:
                held = claim(session, run_id, "worker", 30.0)
                assert held is not None
                finish_run(session, run_id, held.attempt, success(), {"answer": 1}, [], None)
        return len(ids)


@pytest.fixture
def office() -> Iterator[Office]:
    database = memory_database()
    yield Office(database)
    database.dispose()


def elected(dispatcher: BatchDispatcher) -> BatchDispatcher:
    assert dispatcher._is_mine()
    return dispatcher


def test_a_batch_is_brought_to_its_end(office: Office) -> None:
    batch_id = office.submit(50)
    dispatcher = elected(office.dispatcher())
    rounds = []
    while not office.facts(batch_id).status.is_final:
        dispatcher.turn()
        rounds.append(office.execute_all())

    assert office.facts(batch_id).counts.succeeded == 50
    assert sum(rounds) == len(office.sent.sent) == 50
    assert rounds[0] == 2
    assert max(rounds) <= BEGUN_AT_A_TIME
    assert set(office.sent.queues.values()) == {BATCH_QUEUE}


def test_beside_people_fewer_begin_at_a_time(office: Office) -> None:
    batch_id = office.submit(100)
    dispatcher = elected(office.dispatcher(is_quiet=False))
    rounds = []
    while not office.facts(batch_id).status.is_final:
        dispatcher.turn()
        rounds.append(office.execute_all())

    assert max(rounds) == BEGUN_BESIDE_PEOPLE


def test_work_ends_when_there_is_nothing_to_do(office: Office) -> None:
    office.dispatcher().work()

    with office.database.read() as session:
        assert session.scalars(select(Lock.owner)).all() == []


def test_one_worker_dispatches_and_another_follows_it(office: Office) -> None:
    office.submit(10)
    one, other = office.dispatcher("one"), office.dispatcher("other")
    elected(one).turn()
    assert not other._is_mine()

    one.leave()
    one.resign()

    elected(other).turn()
    assert len(office.sent.sent) == 2
    office.execute_all()
    other.turn()
    assert len(office.sent.sent) > 2


def test_a_worker_that_has_never_worked_resigns_without_a_word(office: Office) -> None:
    with office.database.begin() as session:
        acquire_lock(session, "batches", "one", 60.0)

    office.dispatcher("one").resign()

    with office.database.read() as session:
        assert session.scalars(select(Lock.owner)).all() == ["one"]


def test_a_cancelled_batch_stops_its_runs(office: Office) -> None:
    batch_id = office.submit(10)
    dispatcher = elected(office.dispatcher())
    dispatcher.turn()
    app_id = office.facts(batch_id).app_id
    with office.database.begin() as session:
        cancel_batch(session, app_id, batch_id)

    dispatcher.turn()
    dispatcher.turn()

    ended = office.facts(batch_id)
    assert (ended.status, ended.counts.stopped, ended.counts.cancelled) == (BatchStatus.CANCELLED, 2, 8)
    assert sorted(office.stopped) == sorted(task_id for _, task_id in office.sent.sent)


def test_a_batch_that_was_given_up_is_removed(office: Office) -> None:
    batch_id = office.submit(3)
    with office.database.begin() as session:
        session.execute(update(BATCHES).values(status=BatchStatus.VALIDATING, validating_until=1.0))
    dispatcher = office.dispatcher()

    dispatcher.work()

    with office.database.read() as session:
        assert session.get(Batch, batch_id) is None
    assert office.sent.sent == []


def test_a_rate_of_the_app_holds_for_batches(office: Office) -> None:
    batch_id = office.submit(10)
    app_id = office.facts(batch_id).app_id
    with office.database.begin() as session:
        change_limits(session, app_id, max_rate=60, max_burst=1)
    dispatcher = elected(office.dispatcher())

    dispatcher.turn()
    dispatcher.turn()

    assert len(office.sent.sent) == 1


def test_a_paused_batch_is_looked_at_now_and_then(office: Office) -> None:
    office.submit(10)
    with office.database.begin() as session:
        session.execute(update(BATCHES).values(status=BatchStatus.PAUSED))

    assert elected(office.dispatcher()).turn() == 1.0
    assert office.sent.sent == []


def test_it_waits_for_a_database_that_is_away(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    @contextmanager
    def away() -> Iterator[Any]:
        raise StorageUnavailable("gone")
        yield

    office.submit(1)
    monkeypatch.setattr(office.database, "read", away)

    office.dispatcher().work()


def test_a_run_that_waits_for_people_makes_room(office: Office) -> None:
    office.submit(10)
    dispatcher = elected(office.dispatcher())
    dispatcher.turn()
    with office.database.begin() as session:
        session.execute(update(RUNS).values(status="paused", started_at=RUNS.c.created_at))

    dispatcher.turn()

    assert len(office.sent.sent) > 2
