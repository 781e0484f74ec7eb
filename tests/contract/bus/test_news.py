"""Rules that every listener keeps."""

import time
import uuid

import pytest

from tests.contract.bus.conftest import Bus
from worker.bus.ports import LAGGING, News, SubscriptionPort

DEADLINE_S = 5.0


@pytest.fixture
def run_id() -> str:
    return str(uuid.uuid4())


def next_news(subscription: SubscriptionPort) -> News | None:
    """The next news that is not the mark of a new connection."""
    deadline = time.monotonic() + DEADLINE_S
    while time.monotonic() < deadline:
        news = subscription.get(deadline - time.monotonic())
        if news is not LAGGING:
            return news
    return None


def settle(bus: Bus) -> None:
    """Wait until the bus delivers: before that, news need not arrive."""
    probe = str(uuid.uuid4())
    with bus.listener.subscribe(probe) as subscription:
        deadline = time.monotonic() + DEADLINE_S
        number = 0
        while time.monotonic() < deadline:
            number += 1
            bus.log.append(probe, 1, number, [b"{}"])
            if subscription.get(0.05) not in (None, LAGGING):
                return
    pytest.fail("the listener never connected")


def test_a_subscriber_hears_what_is_appended(bus: Bus, run_id: str) -> None:
    settle(bus)
    with bus.listener.subscribe(run_id) as subscription:
        bus.log.append(run_id, 1, 1, [b'{"a":1}', b'{"b":2}'])
        bus.log.append(run_id, 1, 3, [b'{"c":3}'], is_terminal=True)

        assert next_news(subscription) == News(1, 2, False, (b'{"a":1}', b'{"b":2}'))
        assert next_news(subscription) == News(3, 3, True, (b'{"c":3}',))


def test_events_that_were_there_already_are_no_news(bus: Bus, run_id: str) -> None:
    settle(bus)
    with bus.listener.subscribe(run_id) as subscription:
        bus.log.append(run_id, 1, 1, [b"1", b"2"])
        bus.log.append(run_id, 1, 1, [b"1", b"2"])
        bus.log.append(run_id, 1, 2, [b"2", b"3"])

        assert next_news(subscription) == News(1, 2, False, (b"1", b"2"))
        assert next_news(subscription) == News(3, 3, False, (b"3",))


def test_news_of_other_runs_stay_away(bus: Bus, run_id: str) -> None:
    settle(bus)
    with bus.listener.subscribe(run_id) as subscription, bus.listener.subscribe("other") as other:
        bus.log.append("other", 1, 1, [b"1"])

        assert next_news(other) == News(1, 1, False, (b"1",))
        assert subscription.get(0) is None


def test_each_subscriber_of_a_run_hears_it(bus: Bus, run_id: str) -> None:
    settle(bus)
    with bus.listener.subscribe(run_id) as one, bus.listener.subscribe(run_id) as two:
        bus.log.append(run_id, 1, 1, [b"1"])

        assert next_news(one) == next_news(two) == News(1, 1, False, (b"1",))


def test_a_closed_subscription_hears_nothing_more(bus: Bus, run_id: str) -> None:
    settle(bus)
    with bus.listener.subscribe(run_id) as closed, bus.listener.subscribe(run_id) as open_one:
        closed.close()
        bus.log.append(run_id, 1, 1, [b"1"])

        assert next_news(open_one) == News(1, 1, False, (b"1",))
        assert closed.get(0) is None


def test_a_slow_subscriber_is_told_to_read_the_log(bus: Bus, run_id: str) -> None:
    settle(bus)
    with bus.listener.subscribe(run_id) as slow, bus.listener.subscribe("marker") as marker:
        for number in range(1, 301):
            bus.log.append(run_id, 1, number, [b"{}"])
        bus.log.append("marker", 1, 1, [b"{}"])
        assert next_news(marker) is not None

        assert slow.get(0) is LAGGING


def test_silence_ends_with_the_timeout(bus: Bus, run_id: str) -> None:
    settle(bus)
    with bus.listener.subscribe(run_id) as subscription:
        started = time.monotonic()

        assert subscription.get(0.05) is None
        assert 0.04 <= time.monotonic() - started < 2


def test_a_reader_can_be_woken(bus: Bus, run_id: str) -> None:
    settle(bus)
    with bus.listener.subscribe(run_id) as subscription:
        subscription.lag()
        assert subscription.get(0) is LAGGING
