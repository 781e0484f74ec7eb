from concurrent.futures import ThreadPoolExecutor

import fakeredis
import pytest
import redis

from app.admission import STALE_S, MemoryCeiling, RedisCeiling, enter
from app.errors import APIError
from worker.config import Config


@pytest.fixture
def client():
    with fakeredis.FakeRedis() as made:
        yield made


@pytest.fixture(params=["memory", "redis"])
def ceiling(request: pytest.FixtureRequest, client: redis.Redis):
    return MemoryCeiling(2) if request.param == "memory" else RedisCeiling(client, Config(), 2)


def test_an_app_has_as_many_open_calls_as_it_may(ceiling):
    calls = [ceiling.enter("app") for _ in range(3)]

    assert [call is not None for call in calls] == [True, True, False]
    assert ceiling.enter("other") is not None


def test_a_call_that_ends_makes_room(ceiling):
    first, _ = ceiling.enter("app"), ceiling.enter("app")
    ceiling.leave("app", first)

    assert ceiling.enter("app") is not None
    assert ceiling.enter("app") is None


def test_calls_that_come_together_are_counted_together(ceiling):
    with ThreadPoolExecutor(8) as pool:
        calls = list(pool.map(lambda _: ceiling.enter("app"), range(20)))

    assert sum(call is not None for call in calls) == 2


def test_no_limit_asks_nobody():
    class Untouchable:
        def register_script(self, script):
            return None

    ceiling = RedisCeiling(Untouchable(), Config(), 0)

    ceiling.leave("app", ceiling.enter("app"))


def test_calls_of_dead_processes_are_dropped(client: redis.Redis):
    ceiling = RedisCeiling(client, Config(), 1)
    client.zadd("penstock:open:app", {"dead": client.time()[0] - STALE_S - 1})

    assert ceiling.enter("app") is not None


def test_calls_may_enter_while_redis_is_away():
    server = fakeredis.FakeServer()
    server.connected = False
    with fakeredis.FakeRedis(server=server) as away:
        ceiling = RedisCeiling(away, Config(), 1)
        calls = [ceiling.enter("app") for _ in range(3)]
        ceiling.leave("app", calls[0])

    assert None not in calls


def test_a_refusal_is_429():
    ceiling = MemoryCeiling(1)
    enter(ceiling, "app")

    with pytest.raises(APIError) as refusal:
        enter(ceiling, "app")
    assert (refusal.value.status, refusal.value.code) == (429, "too_many_requests")
