"""The listener against a real server that misbehaves."""

import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import pytest
import redis

from tests.services.valkey import Valkey
from tests.services.waiting import wait_for
from worker.bus.connection import connect
from worker.bus.events import NEWS_BYTES, EventLog
from worker.bus.listener import Listener
from worker.bus.ports import LAGGING, News, SubscriptionPort
from worker.config import Config


@pytest.fixture
def valkey() -> Iterator[Valkey]:
    with Valkey() as server:
        yield server


@pytest.fixture
def client(valkey: Valkey) -> Iterator[redis.Redis]:
    with connect(Config(redis_url=valkey.url)) as client:
        yield client


@pytest.fixture
def listener(client: redis.Redis) -> Iterator[Listener]:
    listener = Listener(client, Config())
    yield listener
    listener.close()


@pytest.fixture
def log(client: redis.Redis) -> EventLog:
    return EventLog(client, Config())


def pubsub_clients(client: redis.Redis) -> int:
    return len(client.client_list(_type="pubsub"))


def test_a_subscriber_that_was_there_before_the_connection_is_told_to_read_the_log(listener: Listener) -> None:
    with listener.subscribe("run") as subscription:
        assert subscription.get(5) is LAGGING


def test_all_subscribers_share_one_connection_that_close_ends(listener: Listener, client: redis.Redis) -> None:
    with listener.subscribe("a") as a, listener.subscribe("b") as b:
        assert (a.get(5), b.get(5)) == (LAGGING, LAGGING)
        assert pubsub_clients(client) == 1

    listener.close()

    wait_for(lambda: pubsub_clients(client) == 0, "the connection to end")
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("redis ")]


def test_no_connection_is_made_before_somebody_subscribes(listener: Listener, client: redis.Redis) -> None:
    assert pubsub_clients(client) == 0


def test_a_broken_connection_makes_every_subscriber_read_the_log_and_goes_on(valkey: Valkey, listener: Listener, log: EventLog) -> None:
    with listener.subscribe("run") as subscription:
        assert subscription.get(5) is LAGGING
        for number in range(1, 4):
            valkey.drop_subscribers()
            assert subscription.get(5) is LAGGING
            log.append("run", 1, number, [b"{}"])
            assert subscription.get(5) == News(number, number, False, (b"{}",))


def test_a_server_that_restarts_is_found_again(valkey: Valkey, listener: Listener, log: EventLog) -> None:
    with listener.subscribe("run") as subscription:
        assert subscription.get(5) is LAGGING
        valkey.restart()

        assert subscription.get(10) is LAGGING
        log.append("run", 1, 1, [b"{}"])
        assert subscription.get(5) == News(1, 1, False, (b"{}",))


def test_a_listener_of_an_absent_server_closes_at_once(valkey: Valkey, listener: Listener) -> None:
    valkey.stop()
    with listener.subscribe("run") as subscription:
        assert subscription.get(0.3) is None
        started = time.monotonic()
        listener.close()
        assert time.monotonic() - started < 3


def test_large_news_come_without_frames(listener: Listener, log: EventLog) -> None:
    with listener.subscribe("run") as subscription:
        assert subscription.get(5) is LAGGING
        log.append("run", 1, 1, [b"x" * (NEWS_BYTES + 1), b"y"])
        assert subscription.get(5) == News(1, 2, False, None)


def test_queued_bytes_of_one_subscriber_are_bounded(listener: Listener, log: EventLog) -> None:
    with listener.subscribe("run") as slow, listener.subscribe("marker") as marker:
        assert marker.get(5) is LAGGING
        assert slow.get(5) is LAGGING
        for number in range(1, 21):
            log.append("run", 1, number, [b"x" * 60_000])
        log.append("marker", 1, 1, [b"{}"])
        assert marker.get(5) is not None

        waiting = list(drained(slow))
        assert waiting[0] is LAGGING
        assert sum(len(frame) for news in waiting for frame in news.frames or ()) <= 512 * 1024


def drained(subscription: SubscriptionPort) -> Iterator[News]:
    while (news := subscription.get(0)) is not None:
        yield news


def test_prefixes_keep_deployments_apart(client: redis.Redis, listener: Listener) -> None:
    ours, theirs = EventLog(client, Config()), EventLog(client, Config(redis_prefix="other:"))
    with listener.subscribe("run") as subscription:
        assert subscription.get(5) is LAGGING
        theirs.append("run", 1, 1, [b"theirs"])
        ours.append("run", 1, 1, [b"ours"])
        assert subscription.get(5) == News(1, 1, False, (b"ours",))


GREENLETS = """
from gevent import monkey; monkey.patch_all()
import sys, gevent
from worker.bus.connection import connect
from worker.bus.events import EventLog
from worker.bus.listener import Listener
from worker.bus.ports import LAGGING
from worker.config import Config

config = Config(redis_url=sys.argv[1])
client = connect(config)
listener, log = Listener(client, config), EventLog(client, config)

def read(subscription):
    with subscription:
        heard = [subscription.get(5), subscription.get(5)]
    assert heard[0] is LAGGING and heard[1].frames == (b"{}",), heard

with gevent.Timeout(8):
    readers = [gevent.spawn(read, listener.subscribe(str(n))) for n in range(20)]
    listener._channel.wait_connected(5)
    gevent.sleep(0)
    for n in range(20):
        log.append(str(n), 1, 1, [b"{}"])
    gevent.joinall(readers, raise_error=True)
    listener.close()
client.close()
print("ok")
"""


def test_it_serves_greenlets(redis_url: str) -> None:
    command = [sys.executable, "-W", "error", "-c", GREENLETS, redis_url]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert (ended.stdout, ended.stderr) == ("ok\n", "")
