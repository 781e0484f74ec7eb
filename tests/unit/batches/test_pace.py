from collections.abc import Callable

from worker.batches.pace import Pace, ceiling_of

WORKERS, SLOTS = 2, 64


def drive(pace: Pace, rounds: int, delay_s: Callable[[int], float], *, at: float = 0.0) -> list[int]:
    """Rounds in which the window is always full, and runs are claimed as late as ``delay_s`` says of it."""
    windows = []
    window = pace.review(at, 0, WORKERS, SLOTS)
    for number in range(rounds):
        for _ in range(max(window, 4)):
            pace.claimed(delay_s(window), at + number * 0.1)
        window = pace.review(at + number * 0.1, window, WORKERS, SLOTS)
        windows.append(window)
    return windows


def test_it_starts_with_a_few_runs_of_each_worker() -> None:
    assert Pace().review(0.0, 0, WORKERS, SLOTS) == 4


def test_runs_that_wait_fill_the_slots_but_those_for_people() -> None:
    windows = drive(Pace(), 12, lambda window: 0.005)

    assert windows[:3] == [8, 16, 32]
    assert windows[-1] == ceiling_of(WORKERS, SLOTS) == 56


def test_runs_that_delay_each_other_stay_few() -> None:
    """Every run beside another one costs it 5 ms."""
    windows = drive(Pace(), 200, lambda window: 0.005 * (window + 1))

    assert 10 <= min(windows[20:]) <= max(windows[20:]) <= 40


def test_a_window_that_is_not_used_does_not_grow() -> None:
    pace = Pace()
    for number in range(20):
        for _ in range(8):
            pace.claimed(0.005, number * 0.1)
        window = pace.review(number * 0.1, 1, WORKERS, SLOTS)

    assert window == 4


def test_a_full_window_from_which_nothing_is_heard_grows_a_little() -> None:
    pace = Pace()
    drive(pace, 1, lambda window: 0.005)
    drive(pace, 1, lambda window: 9.0, at=0.5)
    before = pace.review(0.6, 100, WORKERS, SLOTS)

    windows = [pace.review(1.0 + number, 100, WORKERS, SLOTS) for number in range(60)]

    assert windows[0] - before <= 2
    assert windows[-1] == 56


def test_runs_that_no_worker_takes_do_not_become_more() -> None:
    pace = Pace()
    drive(pace, 1, lambda window: 0.005)
    before = pace.window

    for number in range(60):
        pace.review(1.0 + number, 100, WORKERS, SLOTS, unclaimed=1)

    assert pace.window == before


def test_short_runs_that_take_longer_count_as_late_and_long_ones_do_not() -> None:
    short, long = Pace(), Pace()
    for pace, least in ((short, 0.01), (long, 2.0)):
        pace.review(0.0, 0, WORKERS, SLOTS)
        pace.ended("batch", least, 0.0)
        for number in range(40):
            pace.claimed(0.005, number * 0.1)
            for _ in range(20):
                pace.ended("batch", least + 1.0, number * 0.1)
            pace.review(number * 0.1, 64, WORKERS, SLOTS)

    assert (int(short.window), int(long.window)) == (4, 56)


def test_it_learns_when_the_machines_become_slower() -> None:
    pace = Pace()
    drive(pace, 20, lambda window: 0.005)
    drive(pace, 20, lambda window: 0.5, at=10.0)
    assert int(pace.window) == 4

    windows = drive(pace, 900, lambda window: 0.5, at=20.0)

    assert windows[-1] == 56


def test_workers_that_come_and_go_move_the_bounds() -> None:
    pace = Pace()
    drive(pace, 12, lambda window: 0.005)

    assert pace.review(2.0, 56, 1, 32) == ceiling_of(1, 32) == 28
    assert pace.review(2.0, 0, 0, 0) == 1
    assert pace.review(2.0, 0, 8, 256) == 16


def test_batches_that_are_gone_are_forgotten() -> None:
    pace = Pace()
    pace.ended("gone", 1.0, 0.0)
    pace.ended("there", 1.0, 0.0)

    pace.forget({"there": None})

    assert list(pace._works) == ["there"]
