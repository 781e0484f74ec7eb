"""Every adapter of the bus: memory, Redis as fakeredis plays it, and a real server."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import fakeredis
import pytest
import redis

from worker.bus.connection import connect
from worker.bus.events import EventLog
from worker.bus.listener import Listener
from worker.bus.memory import MemoryEventLog, MemoryListener
from worker.bus.ports import EventLogPort, ListenerPort
from worker.config import Config


@dataclass(frozen=True)
class Bus:
    log: EventLogPort
    listener: ListenerPort
    #: Forget all data, as a server does that comes back empty.
    lose: Callable[[], object]


def redis_bus(client: redis.Redis) -> Iterator[Bus]:
    config = Config(redis_prefix="test*[x]:")
    listener = Listener(client, config)
    yield Bus(EventLog(client, config), listener, client.flushall)
    listener.close()
    client.close()


def memory_bus() -> Iterator[Bus]:
    listener = MemoryListener()
    log = MemoryEventLog(listener)
    yield Bus(log, listener, log.lose)
    listener.close()


@pytest.fixture(params=["memory", "fakeredis", "redis"])
def bus(request: pytest.FixtureRequest) -> Iterator[Bus]:
    if request.param == "memory":
        yield from memory_bus()
    elif request.param == "fakeredis":
        yield from redis_bus(fakeredis.FakeRedis(server=fakeredis.FakeServer()))
    else:
        yield from redis_bus(connect(Config(redis_url=request.getfixturevalue("redis_url"))))
