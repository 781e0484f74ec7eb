import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from tests.services.waiting import wait_for
from worker.batches import gate as gates
from worker.batches.gate import ALONE, QUIET_S, YOUNG_S, Gate


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Crowd:
    """Runs in threads of their own, each of which stays behind the gate until it is told to leave."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate
        self._leave = threading.Event()
        self._threads: list[threading.Thread] = []
        self.passed = 0

    def send(self, number: int) -> None:
        for _ in range(number):
            self._threads.append(threading.Thread(target=self._pass))
            self._threads[-1].start()

    def _pass(self) -> None:
        with self._gate.batch():
            self.passed += 1
            self._leave.wait(20)

    def close(self) -> None:
        self._leave.set()
        self._gate.open()
        for thread in self._threads:
            thread.join()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def gate(clock: Clock) -> Gate:
    return Gate(clock)


@pytest.fixture
def crowd(gate: Gate) -> Iterator[Crowd]:
    made = Crowd(gate)
    yield made
    made.close()


def wait_s(gate: Gate) -> float:
    """What a run of a batch that came now would wait for."""
    return gate._wait_s()


def test_batches_begin_a_few_at_a_time(gate: Gate, crowd: Crowd) -> None:
    crowd.send(ALONE)

    wait_for(lambda: crowd.passed == ALONE, "those for whom there is room")
    assert wait_s(gate) == pytest.approx(YOUNG_S)


def test_a_run_that_has_ended_makes_room(gate: Gate) -> None:
    with ExitStack() as stack:
        for _ in range(ALONE - 1):
            stack.enter_context(gate.batch())
        with gate.batch():
            assert wait_s(gate) > 0

        assert wait_s(gate) == 0


def test_runs_that_wait_for_something_make_room_too(gate: Gate, clock: Clock) -> None:
    with ExitStack() as stack:
        for _ in range(100):
            stack.enter_context(gate.batch())
            clock.now += YOUNG_S

        assert wait_s(gate) == 0


def test_beside_people_batches_begin_one_by_one(gate: Gate, clock: Clock) -> None:
    with gate.person():
        assert wait_s(gate) == pytest.approx(YOUNG_S)
    with gate.batch():
        clock.now += YOUNG_S / 2
        assert wait_s(gate) == pytest.approx(YOUNG_S / 2)

        clock.now += QUIET_S
    with gate.batch():
        assert wait_s(gate) == 0


def test_beside_people_a_batch_rests_as_long_as_its_runs_take(gate: Gate, clock: Clock) -> None:
    with gate.batch():
        clock.now += 0.01
    assert wait_s(gate) == 0
    with gate.person():
        pass
    assert wait_s(gate) == pytest.approx(0.01)

    clock.now += 0.01
    assert wait_s(gate) == 0
    with gate.batch():
        clock.now += 2 * YOUNG_S
    assert wait_s(gate) == 0


def test_a_person_who_waits_for_long_holds_up_nobody(gate: Gate, clock: Clock) -> None:
    with gate.person():
        clock.now += YOUNG_S

        assert wait_s(gate) == 0


def test_people_wait_for_nobody(gate: Gate) -> None:
    with gate.batch(), gate.batch(), gate.person(), gate.person(), gate.passing(is_batch=False):
        assert wait_s(gate) > 0


def test_a_leaving_process_lets_everybody_pass(gate: Gate, crowd: Crowd) -> None:
    with gate.person():
        gate.open()
        crowd.send(20)

        wait_for(lambda: crowd.passed == 20, "everybody to pass")


def test_people_without_end_do_not_hold_up_a_batch_for_good(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gates, "PATIENCE_S", 0.02)
    gate = Gate(ticking())

    with gate.person(), gate.batch():
        pass


def ticking() -> Callable[[], float]:
    """A clock that goes on whenever it is looked at, but too slowly for a person to become old."""
    clock = Clock()

    def look() -> float:
        clock.now += 0.004
        return clock.now

    return look
