"""What only a real server shows of the event log: lifetimes, trimming, restarts, silence."""

import time
from collections.abc import Iterator

import pytest
import redis

from tests.services.valkey import Valkey
from worker.bus.connection import connect
from worker.bus.events import LOG_BYTES, EventLog
from worker.config import Config

CONFIG = Config(event_log_ttl_s=100, event_log_max_events=3000)
STREAM = "penstock:events:{run}"


@pytest.fixture
def client(redis_url: str) -> Iterator[redis.Redis]:
    with connect(Config(redis_url=redis_url)) as client:
        yield client


def test_keys_live_as_long_as_a_run_may_be_silent_and_after_its_end_for_late_readers(client: redis.Redis) -> None:
    log = EventLog(client, CONFIG)
    log.append("run", 1, 1, [b"{}"])
    assert 1290 <= client.ttl(STREAM) <= 1300
    assert 1290 <= client.ttl(f"{STREAM}:fence") <= 1300

    log.append("run", 1, 2, [b"{}"], is_terminal=True)
    assert 90 <= client.ttl(STREAM) <= 100
    assert 90 <= client.ttl(f"{STREAM}:fence") <= 100


def test_every_key_has_a_lifetime(client: redis.Redis) -> None:
    log = EventLog(client, CONFIG)
    log.open("run", 3)
    log.append("run", 3, 1, [b"{}"])
    assert [key for key in client.scan_iter() if client.ttl(key) < 0] == []


def test_runs_that_have_a_log_are_found_among_all_keys(client: redis.Redis) -> None:
    log = EventLog(client, Config(redis_prefix="a*{}:"))
    for number in range(30):
        log.append(f"run {number}", 2, 1, [b"{}"])
    EventLog(client, CONFIG).append("of another deployment", 1, 1, [b"{}"])
    client.set("a*{}:other", 1)

    assert set(log.run_ids()) == {f"run {number}" for number in range(30)}
    assert (log.holder("run 1"), log.holder("none")) == (2, 0)


def test_old_events_are_trimmed_and_the_rest_keeps_its_numbers(client: redis.Redis) -> None:
    log = EventLog(client, CONFIG)
    log.append("run", 1, 1, [b"{}"] * 6000)
    kept = log.read("run", 0, 9000)
    assert 3000 <= len(kept) <= 3200
    assert kept[-1].number == 6000
    assert [entry.number for entry in kept] == list(range(6001 - len(kept), 6001))


def test_the_bytes_of_a_log_are_bounded_by_leaving_out_what_sql_has(client: redis.Redis) -> None:
    log = EventLog(client, CONFIG)
    frame = b"x" * 900_000
    for number in range(1, 31):
        log.append("run", 1, number, [frame], stored=number - 5)
    kept = [entry.number for entry in log.read("run", 0, 100)]
    assert kept == list(range(kept[0], 31))
    assert len(kept) * len(frame) < LOG_BYTES + 6 * len(frame)


def test_the_newest_event_always_stays(client: redis.Redis) -> None:
    log = EventLog(client, CONFIG)
    for number in range(1, 31):
        log.append("run", 1, number, [b"x" * 900_000], stored=number)
        assert log.read("run", number - 1, 9)[-1].number == number
        assert log.append("run", 1, number, [b"x" * 900_000], stored=number) == number


def test_nothing_is_left_out_that_sql_lacks(client: redis.Redis) -> None:
    log = EventLog(client, CONFIG)
    for number in range(1, 31):
        log.append("run", 1, number, [b"x" * 900_000])
    assert len(log.read("run", 0, 100)) == 30


def test_a_restarted_server_needs_no_new_log() -> None:
    with Valkey() as server, connect(Config(redis_url=server.url)) as client:
        log = EventLog(client, CONFIG)
        log.append("run", 1, 1, [b"{}"])
        server.restart()
        assert log.append("run", 1, 2, [b"{}"], stored=1) == 2


def test_an_absent_server_is_an_error_at_once() -> None:
    with Valkey() as server, connect(Config(redis_url=server.url)) as client:
        server.stop()
        started = time.monotonic()
        with pytest.raises(redis.RedisError):
            EventLog(client, CONFIG).append("run", 1, 1, [b"{}"])
        assert time.monotonic() - started < 2


def test_a_server_that_takes_no_more_data_is_an_error_and_changes_nothing() -> None:
    with Valkey() as server, connect(Config(redis_url=server.url)) as client:
        log = EventLog(client, CONFIG)
        client.config_set("maxmemory", "1")
        with pytest.raises(redis.RedisError):
            log.append("run", 1, 1, [b"{}"])
        client.config_set("maxmemory", "0")
        assert log.append("run", 1, 1, [b"{}"]) == 1
