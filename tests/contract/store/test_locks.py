"""Locks with a lease."""

from functools import partial

from tests.contract.store.world import race
from worker.store.locks import acquire_lock, release_lock
from worker.store.session import Database


def acquire(database: Database, owner: str, for_s: float = 30.0) -> bool:
    with database.begin() as session:
        return acquire_lock(session, "sweeper", owner, for_s)


def release(database: Database, owner: str) -> None:
    with database.begin() as session:
        release_lock(session, "sweeper", owner)


def test_a_lock_has_one_holder(database: Database) -> None:
    assert acquire(database, "a")
    assert not acquire(database, "b")


def test_of_many_that_want_a_lock_one_gets_it(database: Database) -> None:
    assert race([partial(acquire, database, f"worker-{number}") for number in range(8)]).count(True) == 1


def test_the_holder_keeps_a_lock_by_taking_it_again(database: Database) -> None:
    assert acquire(database, "a")
    assert acquire(database, "a")


def test_an_expired_lock_goes_to_the_next(database: Database) -> None:
    assert acquire(database, "a", for_s=-1)
    assert acquire(database, "b")
    assert not acquire(database, "a")


def test_a_released_lock_is_free(database: Database) -> None:
    acquire(database, "a")

    release(database, "a")

    assert acquire(database, "b")


def test_only_the_holder_releases_a_lock(database: Database) -> None:
    acquire(database, "a")

    release(database, "b")

    assert not acquire(database, "b")
