import threading

import pytest

from worker.active import ActiveRun, ActiveRuns
from worker.engine.errors import RunFenced, RunStopped
from worker.engine.inbox import Command, Inbox


def run(run_id: str, attempt: int = 1, leased_at: float = 0.0) -> ActiveRun:
    return ActiveRun(run_id, attempt, Inbox(), leased_at)


def active(*runs: ActiveRun) -> ActiveRuns:
    made = ActiveRuns()
    for item in runs:
        made.add(item)
    return made


def test_a_stop_reaches_only_its_run() -> None:
    one, two = run("1"), run("2")
    runs = active(one, two)

    runs.stop("1")
    runs.stop("elsewhere")

    with pytest.raises(RunStopped):
        one.inbox.check()
    two.inbox.check()


def test_a_fence_fits_the_attempt() -> None:
    one, two = run("1", attempt=2), run("2", attempt=2)
    active(one, two).fence([("1", 2), ("2", 1)])

    with pytest.raises(RunFenced):
        one.inbox.check()
    two.inbox.check()


def test_a_fence_tells_whom_it_reached_and_leaves_alone_what_is_ending() -> None:
    one, two, three = run("1"), run("2"), run("3")
    two.is_ending = three.is_speaking = True

    assert active(one, two, three).fence([("1", 1), ("2", 1), ("3", 1), ("4", 1)]) == [("1", 1)]

    two.inbox.check()
    three.inbox.check()


def test_a_new_claim_ends_an_earlier_one_of_the_same_run() -> None:
    earlier, later = run("1", attempt=1), run("1", attempt=2)
    runs = active(earlier, later)

    with pytest.raises(RunFenced):
        earlier.inbox.check()
    runs.remove(earlier)
    assert runs.claims() == [("1", 2)]


def test_renewed_leases_do_not_expire() -> None:
    runs = active(run("1", leased_at=10.0), run("2", leased_at=10.0))
    runs.renewed([("1", 1)], at=40.0)
    assert runs.leased_before(20.0) == [("2", 1)]


def test_a_drain_is_mailed_to_every_run() -> None:
    one = run("1")
    active(one).drain(5.0)
    assert one.inbox.get(0) == (Command.DRAIN, 5.0)


def test_waiting_ends_with_the_last_run() -> None:
    one = run("1")
    runs = active(one)
    assert not runs.wait_empty(0.01)

    threading.Timer(0.05, runs.remove, [one]).start()
    assert runs.wait_empty(5)
    assert len(runs) == 0
