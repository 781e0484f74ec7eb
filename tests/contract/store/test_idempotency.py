"""Idempotency keys: one run for each, whoever comes first, and a day later another one."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from functools import partial

import pytest
from sqlalchemy import delete, insert, text, update
from sqlalchemy.orm import Session

from tests.contract.store.world import World, count, race
from tests.services.waiting import wait_for
from worker.config import Config
from worker.store import idempotency
from worker.store.clock import now_s
from worker.store.errors import KeyInProgress, KeyReused
from worker.store.idempotency import KEPT_S, KeyedRun, Submission
from worker.store.migrate import upgrade
from worker.store.models import IDEMPOTENCY_KEYS, RUNS, IdempotencyKey, Run
from worker.store.session import Database


def submission(world: World, key: str = "k-1", **changes: str) -> Submission:
    facts = {"app_id": world.app_id, "endpoint": "/v1/workflows/run", "key": key, "fingerprint": "f" * 64}
    return Submission(**{**facts, **changes})


def accept(world: World, asked: Submission) -> KeyedRun:
    run = world.new_run()
    return world.database.transact(lambda session: idempotency.accept_keyed_run(session, run, asked))


def find(world: World, asked: Submission) -> KeyedRun | None:
    with world.database.read() as session:
        return idempotency.find_keyed_run(session, asked)


def make_old(world: World, by_s: float = KEPT_S + 1) -> None:
    with world.database.begin() as session:
        session.execute(update(IDEMPOTENCY_KEYS).values(created_at=IDEMPOTENCY_KEYS.c.created_at - by_s))


def test_a_key_stands_for_the_run_that_it_was_stored_with(world: World) -> None:
    asked = submission(world)
    assert find(world, asked) is None

    run = accept(world, asked)

    row = world.row(run.run_id)
    assert (row.task_id, row.workflow_id, row.created_at, row.status) == (run.task_id, run.workflow_id, run.created_at, "scheduled")
    assert accept(world, asked) == find(world, asked) == run
    assert count(world.database, Run) == 1


def test_another_body_under_the_same_key_is_refused(world: World) -> None:
    first, other = submission(world), submission(world, fingerprint="b" * 64)
    run = accept(world, first)

    for ask in (accept, find):
        with pytest.raises(KeyReused):
            ask(world, other)
    assert accept(world, first) == run
    assert count(world.database, Run) == 1


def test_storing_the_same_run_again_changes_nothing(world: World) -> None:
    """As after a commit whose answer got lost."""
    run, asked = world.new_run(), submission(world)
    first, second = (world.database.transact(lambda session: idempotency.accept_keyed_run(session, run, asked)) for _ in range(2))

    assert first == second
    assert first.run_id == run.run_id


def test_app_endpoint_and_key_tell_requests_apart(world: World) -> None:
    other = World(world.database, "Other")
    asked = [
        submission(world),
        submission(world, "K-1"),
        submission(world, endpoint="/v1/workflows/x/run"),
        submission(other),
        submission(world, "ключ \0"),
        submission(world, "x" * 255),
    ]

    runs = [accept(other if one.app_id == other.app_id else world, one) for one in asked]

    assert len({run.run_id for run in runs}) == len(asked)
    assert [find(world, one) for one in asked] == runs


def test_many_at_once_are_one_run(world: World) -> None:
    for number in range(3):
        asked = submission(world, f"k-{number}")

        answers = race([partial(accept, world, asked) for _ in range(12)])

        assert len(set(answers)) == 1
    assert count(world.database, Run) == count(world.database, IdempotencyKey) == 3


def test_a_day_later_the_key_makes_a_new_run(world: World) -> None:
    first = accept(world, submission(world))
    make_old(world)

    assert find(world, submission(world)) is None
    second = accept(world, submission(world, fingerprint="b" * 64))

    assert second.run_id != first.run_id
    assert find(world, submission(world, fingerprint="b" * 64)) == second
    assert count(world.database, IdempotencyKey) == 1


def test_a_key_is_kept_until_the_day_is_over(world: World) -> None:
    first = accept(world, submission(world))
    make_old(world, KEPT_S - 60)

    assert accept(world, submission(world)) == first


def test_old_keys_are_removed_in_batches_and_young_ones_stay(world: World) -> None:
    for number in range(5):
        accept(world, submission(world, f"old-{number}"))
    make_old(world)
    young = accept(world, submission(world, "young"))

    removed = [world.database.transact(partial(idempotency.forget_old_keys, limit=2)) for _ in range(4)]

    assert removed == [2, 2, 1, 0]
    assert find(world, submission(world, "young")) == young
    assert count(world.database, Run) == 6


def test_a_run_takes_its_key_along(world: World) -> None:
    run = accept(world, submission(world))
    with world.database.begin() as session:
        session.execute(delete(RUNS).where(RUNS.c.id == run.run_id))

    assert count(world.database, IdempotencyKey) == 0
    assert accept(world, submission(world)).run_id != run.run_id


def test_a_run_that_could_not_be_stored_leaves_no_key(world: World) -> None:
    asked, run = submission(world), world.new_run()

    def fail_later(session: Session) -> None:
        idempotency.accept_keyed_run(session, run, asked)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        world.database.transact(fail_later)

    assert count(world.database, IdempotencyKey) == count(world.database, Run) == 0
    assert accept(world, asked).run_id != run.run_id


@pytest.fixture
def waiting_world(postgres_url: str) -> Iterator[World]:
    """In PostgreSQL, where two can write at a time: in SQLite one request waits for the other before it looks at any key."""
    config = Config(database_url=postgres_url)
    upgrade(config)
    database = Database.connect(config)
    yield World(database)
    database.dispose()


def test_a_request_gives_up_on_one_that_is_not_done_in_time(waiting_world: World) -> None:
    world, asked = waiting_world, submission(waiting_world)
    with world.database.begin() as slow:
        first = idempotency.accept_keyed_run(slow, world.new_run(), asked)

        with pytest.raises(KeyInProgress), world.database.begin() as session:
            idempotency.accept_keyed_run(session, world.new_run(), asked, patience_s=0.05)

    assert accept(world, asked) == first


def test_who_waits_for_a_key_holds_up_no_other_request(waiting_world: World) -> None:
    world = waiting_world
    with world.database.begin() as slow, ThreadPoolExecutor(1) as pool:
        slow.execute(insert(IDEMPOTENCY_KEYS).values(**asdict(submission(world)), run_id=world.new_run().run_id, created_at=now_s()))
        waiting = pool.submit(accept, world, submission(world))
        wait_for(lambda: is_waiting(world), "the request that waits")

        assert world.accept().sequence_number == 1
        slow.rollback()

    assert world.row(waiting.result().run_id).sequence_number == 2


def is_waiting(world: World) -> bool:
    with world.database.read() as session:
        return bool(session.scalar(text("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'")))
