import pytest

from worker.webhooks.schedule import DELAYS_S, JITTER, MOST_RETRY_AFTER_S, retry_s

DAY_S = 24 * 3600


def test_attempts_go_on_for_a_day_and_then_end():
    last = len(DELAYS_S)

    assert 0.95 * DAY_S < sum(DELAYS_S) <= DAY_S
    assert retry_s(last) is not None
    assert retry_s(last + 1) is None
    assert list(DELAYS_S) == sorted(DELAYS_S)


def test_delays_differ_but_not_by_much():
    delays = [retry_s(4) for _ in range(200)]

    assert len(set(delays)) > 100
    assert all(DELAYS_S[3] * (1 - JITTER) <= delay <= DELAYS_S[3] * (1 + JITTER) for delay in delays)


@pytest.mark.parametrize(
    ("wanted_s", "least_s", "most_s"), [(0, 4, 6), (1, 4, 6), (100, 100, 100), (10**8, MOST_RETRY_AFTER_S, MOST_RETRY_AFTER_S)]
)
def test_a_receiver_may_ask_for_more_time_within_bounds(wanted_s: float, least_s: float, most_s: float):
    assert least_s <= retry_s(1, wanted_s) <= most_s
