"""Work of several threads that is done together."""

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from worker.turns import Piece, Turns


class Squares:
    """Work that waits until it is told to go on, and notes what was done together."""

    def __init__(self) -> None:
        self.together: list[list[int]] = []
        self.has_begun = threading.Semaphore(0)
        self.may_go = threading.Semaphore(0)
        self.turns: Turns[int] = Turns(self.work, most=3)

    def work(self, pieces: Sequence[Piece[int]]) -> None:
        self.together.append([piece.order for piece in pieces])
        self.has_begun.release()
        assert self.may_go.acquire(timeout=10)
        for piece in pieces:
            if piece.order < 0:
                piece.error = ValueError(piece.order)
            else:
                piece.result = piece.order**2

    def wait_for(self, count: int) -> None:
        """Until so many pieces wait."""
        while len(self.turns._waiting) < count:
            threading.Event().wait(0.001)


@pytest.fixture
def pool():
    with ThreadPoolExecutor(16) as made:
        yield made


def test_who_comes_alone_is_served_alone() -> None:
    turns: Turns[int] = Turns(lambda pieces: setattr(pieces[0], "result", len(pieces)))

    assert [turns.get(0), turns.get(0)] == [1, 1]


def test_who_comes_meanwhile_is_served_together(pool: ThreadPoolExecutor) -> None:
    squares = Squares()
    first = pool.submit(squares.turns.get, 1)
    squares.has_begun.acquire()
    others = []
    for number in (2, 3, 4, 5):
        others.append(pool.submit(squares.turns.get, number))
        squares.wait_for(len(others))

    squares.may_go.release(3)

    assert [first.result(10), *(other.result(10) for other in others)] == [1, 4, 9, 16, 25]
    assert squares.together == [[1], [2, 3, 4], [5]]


def test_an_error_is_raised_where_it_belongs(pool: ThreadPoolExecutor) -> None:
    squares = Squares()
    first = pool.submit(squares.turns.get, 1)
    squares.has_begun.acquire()
    others = [pool.submit(squares.turns.get, number) for number in (-2, 3)]
    squares.wait_for(2)

    squares.may_go.release(2)

    assert (first.result(10), others[1].result(10)) == (1, 9)
    with pytest.raises(ValueError, match="-2"):
        others[0].result(10)


def test_who_has_no_patience_left_goes_and_the_rest_is_served(pool: ThreadPoolExecutor) -> None:
    squares = Squares()
    first = pool.submit(squares.turns.get, 1)
    squares.has_begun.acquire()

    with pytest.raises(TimeoutError):
        squares.turns.get(2, patience_s=0.01)
    last = pool.submit(squares.turns.get, 3)
    squares.wait_for(1)
    squares.may_go.release(2)

    assert (first.result(10), last.result(10)) == (1, 9)
    assert squares.together == [[1], [3]]


def test_a_thread_that_ends_over_the_work_leaves_the_rest_to_the_others(pool: ThreadPoolExecutor) -> None:
    has_begun, may_go = threading.Event(), threading.Event()

    def work(pieces: Sequence[Piece[int]]) -> None:
        if pieces[0].order == 1:
            has_begun.set()
            may_go.wait(10)
        if pieces[0].order == 2:
            raise SystemExit
        for piece in pieces:
            piece.result = piece.order

    turns: Turns[int] = Turns(work)
    first = pool.submit(turns.get, 1)
    has_begun.wait(10)
    others = []
    for number in (2, 3, 4):
        others.append(pool.submit(turns.get, number))
        while len(turns._waiting) < len(others):
            threading.Event().wait(0.001)
    may_go.set()

    assert first.result(10) == 1
    with pytest.raises(SystemExit):
        others[0].result(10)
    assert [other.result(10) for other in others[1:]] == [3, 4]


def test_many_threads_lose_nothing(pool: ThreadPoolExecutor) -> None:
    done: list[int] = []

    def work(pieces: Sequence[Piece[int]]) -> None:
        for piece in pieces:
            done.append(piece.order)
            piece.result = piece.order

    turns: Turns[int] = Turns(work)

    assert list(pool.map(turns.get, range(2000))) == list(range(2000))
    assert sorted(done) == list(range(2000))
