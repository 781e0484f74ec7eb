import threading

import pytest

from worker.periodic import Periodic


def test_work_is_done_again_and_again() -> None:
    done = threading.Semaphore(0)
    periodic = Periodic("test", 0.01, done.release)
    periodic.start()
    assert all(done.acquire(timeout=5) for _ in range(3))
    periodic.stop()


def test_waking_does_not_wait_for_the_interval() -> None:
    done = threading.Event()
    periodic = Periodic("test", 60, done.set)
    periodic.start()
    periodic.wake()
    assert done.wait(5)
    periodic.stop()


def test_an_error_does_not_end_it(caplog: pytest.LogCaptureFixture) -> None:
    calls = threading.Semaphore(0)

    def fail() -> None:
        calls.release()
        raise ValueError("boom")

    periodic = Periodic("test", 0.01, fail)
    periodic.start()
    assert all(calls.acquire(timeout=5) for _ in range(2))
    periodic.stop()
    assert "boom" in caplog.text


def test_one_that_was_never_started_can_be_stopped() -> None:
    Periodic("test", 60, lambda: None).stop()
