"""How fast runs may begin: one suite for every adapter, on a clock that the tests set."""

import logging
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import count

import fakeredis
import pytest
import redis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from worker.bus.connection import connect
from worker.bus.rates import ABSENCE_S, Bucket, Grant, MemoryRates, Rates, RatesPort
from worker.config import Config

#: Microseconds since the epoch of some day in 2026.
START_US = 1_790_000_000_123_457

SECOND_US = 1_000_000

#: Tests share a server, but no bucket.
NUMBERS = count()


@dataclass
class Meter:
    rates: RatesPort
    now_us: list[int] = field(default_factory=lambda: [START_US])

    def take(self, *buckets: Bucket, wanted: int = 1) -> Grant:
        return self.rates.take(buckets, wanted)

    def wait(self, seconds: float) -> None:
        self.now_us[0] += round(seconds * SECOND_US)


def bucket(per_minute: int, burst: int) -> Bucket:
    return Bucket(f"app:{next(NUMBERS)}", per_minute, burst)


@pytest.fixture(scope="module", params=["memory", "fakeredis", "redis"])
def meter(request: pytest.FixtureRequest) -> Iterator[Meter]:
    now_us = [START_US]
    if request.param == "memory":
        yield Meter(MemoryRates(lambda: now_us[0]), now_us)
        return
    fake = request.param == "fakeredis"
    client = fakeredis.FakeRedis() if fake else connect(Config(redis_url=request.getfixturevalue("shared_valkey").url))
    with client:
        yield Meter(Rates(client, Config(redis_prefix="test*[x]:"), lambda: now_us[0]), now_us)


def test_a_full_bucket_lets_a_burst_begin_and_then_one_after_the_other(meter: Meter) -> None:
    slow = bucket(6, 2)

    assert [meter.take(slow) for _ in range(2)] == [Grant(1), Grant(1)]
    assert meter.take(slow) == Grant(0, 10.0, slow)
    meter.wait(4)
    assert meter.take(slow) == Grant(0, 6.0, slow)
    meter.wait(6)
    assert [meter.take(slow).count for _ in range(2)] == [1, 0]


def test_the_wait_is_exact(meter: Meter) -> None:
    slow = bucket(7, 1)
    meter.take(slow)
    wait_s = meter.take(slow).wait_s

    meter.wait(wait_s - 0.000_001)
    assert meter.take(slow).count == 0
    meter.wait(0.000_001)
    assert meter.take(slow).count == 1


def test_a_bucket_gets_no_fuller_than_full(meter: Meter) -> None:
    slow = bucket(60, 3)
    meter.take(slow, wanted=3)
    meter.wait(3600)

    assert meter.take(slow, wanted=10).count == 3


def test_who_wants_many_gets_those_that_there_are(meter: Meter) -> None:
    quick = bucket(60, 5)

    assert meter.take(quick, wanted=3) == Grant(3)
    assert meter.take(quick, wanted=4) == Grant(2, 1.0, quick)
    assert meter.take(quick, wanted=4) == Grant(0, 1.0, quick)


def test_several_buckets_give_what_the_scarcest_has(meter: Meter) -> None:
    wide, narrow = bucket(60, 5), bucket(6, 2)

    assert meter.take(wide, narrow, wanted=4) == Grant(2, 10.0, narrow)
    # The wide one lost no more than were let begin.
    assert meter.take(wide, wanted=9).count == 3
    assert meter.take(wide, narrow) == Grant(0, 10.0, narrow)


def test_what_did_not_begin_is_given_back(meter: Meter) -> None:
    slow, other = bucket(1, 3), bucket(2, 3)
    meter.take(slow, other, wanted=3)
    meter.rates.give_back([slow, other], 2)

    assert meter.take(slow, other, wanted=3).count == 2


def test_nothing_is_given_back_to_a_bucket_that_is_full(meter: Meter) -> None:
    slow = bucket(1, 3)
    meter.rates.give_back([slow], 2)

    assert meter.take(slow, wanted=9).count == 3


def test_runs_that_come_together_are_counted_together(meter: Meter) -> None:
    slow = bucket(1, 7)
    with ThreadPoolExecutor(8) as pool:
        grants = list(pool.map(lambda _: meter.take(slow), range(50)))

    assert sum(grant.count for grant in grants) == 7


#: Seconds until the next request, and the runs that it asks for.
ARRIVALS = st.lists(st.tuples(st.floats(0, 90), st.integers(1, 8)), min_size=1, max_size=30)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(per_minute=st.integers(1, 1000), burst=st.integers(1, 50), arrivals=ARRIVALS)
def test_never_more_begin_than_the_burst_and_what_has_flowed_in_since(
    meter: Meter, per_minute: int, burst: int, arrivals: list[tuple[float, int]]
) -> None:
    """In any window, not only since the beginning."""
    slow = bucket(per_minute, burst)
    begun: list[tuple[int, int]] = []
    for pause_s, wanted in arrivals:
        meter.wait(pause_s)
        begun.append((meter.now_us[0], meter.take(slow, wanted=wanted).count))

    for index, (start_us, _) in enumerate(begun):
        total = 0
        for now_us, granted in begun[index:]:
            total += granted
            assert total * 60 * SECOND_US <= burst * 60 * SECOND_US + per_minute * (now_us - start_us)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(per_minute=st.integers(1, 1000), burst=st.integers(1, 50), arrivals=ARRIVALS)
def test_who_waits_as_long_as_told_is_let_in(meter: Meter, per_minute: int, burst: int, arrivals: list[tuple[float, int]]) -> None:
    slow = bucket(per_minute, burst)
    for pause_s, wanted in arrivals:
        meter.wait(pause_s)
        grant = meter.take(slow, wanted=wanted)
        if grant.count < wanted:
            meter.wait(grant.wait_s)
            assert meter.take(slow).count == 1


# ---- Redis alone


@pytest.fixture
def client() -> Iterator[redis.Redis]:
    with fakeredis.FakeRedis() as made:
        yield made


def test_a_bucket_is_kept_until_it_is_full(client: redis.Redis) -> None:
    rates, slow = Rates(client, Config(redis_prefix="p:"), lambda: START_US), Bucket("app:x", 60, 5)

    rates.take([slow], 3)
    assert 2900 < client.pttl("p:rate:app:x") <= 3000
    rates.give_back([slow], 1)
    assert 0 < client.pttl("p:rate:app:x") <= 3000
    assert client.keys() == [b"p:rate:app:x"]


def test_the_clock_is_that_of_the_server(client: redis.Redis) -> None:
    rates, slow = Rates(client, Config()), Bucket("app:x", 1, 1)

    assert rates.take([slow]).count == 1
    assert 59 < rates.take([slow]).wait_s <= 60


def test_runs_may_begin_while_redis_is_away_which_is_said_once(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    server = fakeredis.FakeServer()
    server.connected = False
    now_s = [0.0]
    monkeypatch.setattr("worker.bus.rates.time.monotonic", lambda: now_s[0])
    with fakeredis.FakeRedis(server=server) as client, caplog.at_level(logging.WARNING):
        rates, slow = Rates(client, Config()), Bucket("app:x", 1, 1)
        grants = []
        for _ in range(3):
            now_s[0] += ABSENCE_S
            grants.append(rates.take([slow]))
        rates.give_back([slow])
        server.connected = True
        now_s[0] += ABSENCE_S
        back = [rates.take([slow]).count for _ in range(2)]

    assert grants == [Grant(1)] * 3
    assert back == [1, 0]
    assert [record.message.partition(":")[0] for record in caplog.records] == ["Runs begin at any rate while Redis cannot count them"]


def test_redis_is_left_alone_for_a_while_when_it_did_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that hangs costs a request seconds: it must not be every request."""
    server = fakeredis.FakeServer()
    server.connected = False
    monkeypatch.setattr("worker.bus.rates.time.monotonic", lambda: 5.0)
    with fakeredis.FakeRedis(server=server) as client:
        rates, slow = Rates(client, Config()), Bucket("app:x", 1, 1)
        rates.take([slow])
        server.connected = True

        assert rates.take([slow], 5) == Grant(5)
        assert client.keys() == []


@pytest.mark.parametrize("per_minute", [1, 7, 60, 999, 59_999])
def test_pauses_that_come_out_uneven_let_nobody_begin_too_early(per_minute: int) -> None:
    assert Bucket("any", per_minute, 1).pause_us * per_minute >= 60_000_000
