"""A client of Redis that more threads use than it has connections."""

import threading
from concurrent.futures import ThreadPoolExecutor

from worker.bus.connection import MAX_CONNECTIONS, connect
from worker.config import Config


def test_whoever_finds_no_connection_free_waits_for_one(redis_url: str) -> None:
    threads = 2 * MAX_CONNECTIONS
    with connect(Config(redis_url=redis_url)) as client, ThreadPoolExecutor(threads) as pool:
        everybody_is_there = threading.Barrier(threads)

        def ask(number: int) -> bytes | None:
            everybody_is_there.wait(10)
            # Every command holds its connection for a while.
            found = client.blpop([f"nothing:{number}"], timeout=0.2)
            return found if found is None else found[1]

        assert list(pool.map(ask, range(threads))) == [None] * threads
