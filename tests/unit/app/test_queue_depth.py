"""When the runs that wait are counted, and what is known of them in between."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest

from app.admission import Permit
from app.errors import Refused
from app.queue_depth import QueueDepth
from tests.unit import running
from worker.store.errors import StorageUnavailable
from worker.store.session import Database


@dataclass
class Counted:
    """A queue of a real database, with a clock of its own; notes which thread counts."""

    database: Database
    limit: int = 10
    now_s: float = 1000.0
    threads: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.depth = QueueDepth(self, self.limit, lambda: self.now_s)

    @contextmanager
    def read(self) -> Iterator[object]:
        self.threads.append(threading.current_thread().name)
        with self.database.read() as session:
            yield session

    def enter(self, is_used: bool = True) -> bool:
        """Whether another run is let in. Counts that go on beside it have ended then."""
        try:
            with self.depth.place(permit := Permit()):
                permit.is_used = is_used
        except Refused:
            return False
        for thread in threading.enumerate():
            if thread.name == "queue-depth":
                thread.join()
        return True

    def store(self, count: int) -> None:
        """Runs that others let in."""
        for _ in range(count):
            running.accept(self.database)


@pytest.fixture
def queue() -> Iterator[Counted]:
    database = running.memory_database()
    yield Counted(database)
    database.dispose()


def test_the_first_run_is_counted_for_and_those_of_the_next_second_are_not(queue: Counted) -> None:
    assert [queue.enter() for _ in range(3)] == [True] * 3
    assert queue.threads == ["MainThread"]


def test_a_queue_far_from_full_is_counted_beside_the_requests(queue: Counted) -> None:
    queue.enter()
    queue.now_s += 1
    queue.enter()
    queue.now_s += 0.5
    queue.enter()

    assert queue.threads == ["MainThread", "queue-depth"]


def test_a_queue_half_full_is_counted_before_a_run_is_let_in(queue: Counted) -> None:
    queue.store(5)
    queue.enter()
    queue.now_s += 1
    queue.store(5)

    assert not queue.enter()
    assert queue.threads == ["MainThread"] * 2


def test_a_count_of_long_ago_says_nothing(queue: Counted) -> None:
    queue.enter()
    queue.store(10)
    queue.now_s += 10

    assert not queue.enter()


def test_between_two_counts_a_process_lets_in_no_more_than_there_is_room_for(queue: Counted) -> None:
    queue.store(7)

    assert [queue.enter() for _ in range(5)] == [True, True, True, False, False]
    assert len(queue.threads) == 1


def test_a_run_that_was_not_stored_gives_its_place_back(queue: Counted) -> None:
    queue.store(9)

    assert [queue.enter(is_used=False) for _ in range(3)] == [True] * 3
    assert [queue.enter(), queue.enter()] == [True, False]


def test_runs_that_are_being_stored_are_not_lost_by_a_count(queue: Counted) -> None:
    queue.store(8)
    with queue.depth.place(Permit()), queue.depth.place(Permit()):
        queue.now_s += 1
        assert not queue.enter()


def test_room_that_workers_make_is_found_soon(queue: Counted) -> None:
    queue.store(10)
    assert not queue.enter()
    with queue.database.begin() as session:
        session.execute(running.RUNS.update().values(status="running"))

    assert not queue.enter()
    queue.now_s += 0.1
    assert queue.enter()


def test_no_limit_is_not_counted(queue: Counted) -> None:
    free = Counted(queue.database, limit=0)

    assert free.enter()
    assert free.threads == []


def test_a_count_beside_the_requests_may_fail(queue: Counted, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    queue.enter()
    queue.now_s += 1

    def fail() -> None:
        raise StorageUnavailable("gone")

    monkeypatch.setattr(queue, "read", fail)

    assert queue.enter()
    assert "could not be counted: gone" in caplog.text
    monkeypatch.undo()
    queue.now_s += 10
    assert queue.enter()
