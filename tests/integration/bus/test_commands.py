"""Stop requests over the control channel of a real server."""

import queue
from collections.abc import Iterator

import pytest
import redis

from tests.services.valkey import Valkey
from worker.bus.commands import CommandListener, Commands, control_channel
from worker.bus.connection import connect
from worker.config import Config

CONFIG = Config()


@pytest.fixture
def client(redis_url: str) -> Iterator[redis.Redis]:
    with connect(Config(redis_url=redis_url)) as client:
        yield client


@pytest.fixture
def heard(client: redis.Redis) -> Iterator[queue.Queue[str]]:
    """What a worker's listener hears: run ids, and ``connected`` for every connection."""
    heard: queue.Queue[str] = queue.Queue()
    listener = CommandListener(client, CONFIG, heard.put, lambda: heard.put("connected"))
    listener.start()
    assert heard.get(timeout=5) == "connected"
    yield heard
    listener.close()


def test_a_stop_reaches_the_workers(client: redis.Redis, heard: queue.Queue[str]) -> None:
    Commands(client, CONFIG).stop("run-1")
    assert heard.get(timeout=5) == "run-1"


@pytest.mark.parametrize("payload", [b"", b"{", b"[]", b'"stop"', b"{}", b'{"pause":"x"}', b"\xff"])
def test_what_is_no_command_is_passed_over(client: redis.Redis, heard: queue.Queue[str], payload: bytes) -> None:
    client.publish(control_channel(CONFIG.redis_prefix), payload)
    Commands(client, CONFIG).stop("run-2")
    assert heard.get(timeout=5) == "run-2"


def test_a_broken_connection_is_made_again(shared_valkey: Valkey, client: redis.Redis, heard: queue.Queue[str]) -> None:
    shared_valkey.drop_subscribers()
    assert heard.get(timeout=5) == "connected"
    Commands(client, CONFIG).stop("run-3")
    assert heard.get(timeout=5) == "run-3"
