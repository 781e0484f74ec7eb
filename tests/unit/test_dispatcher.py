"""How workers ask for workers."""

import json
from base64 import b64decode

import fakeredis

from worker.broker import BATCH_QUEUE, TASK
from worker.bus.connection import connect
from worker.config import Config
from worker.dispatcher import CeleryDispatcher


def test_a_run_goes_to_the_queue_it_came_from() -> None:
    with fakeredis.FakeRedis() as client:
        dispatcher = CeleryDispatcher(client, "test:")

        assert dispatcher.send("run-1", "task-1")
        assert dispatcher.send("run-2", "task-2", BATCH_QUEUE)

        assert (dispatcher.backlog(), dispatcher.backlog(BATCH_QUEUE)) == (1, 1)
        message = json.loads(client.rpop("test:batch"))
    assert (message["headers"]["task"], message["headers"]["id"]) == (TASK, "task-2")
    assert json.loads(b64decode(message["body"]))[0] == ["run-2"]


def test_a_broker_that_is_away_is_told_and_raises_nothing() -> None:
    with connect(Config(redis_url="redis://127.0.0.1:1/0")) as client:
        dispatcher = CeleryDispatcher(client, "test:")

        assert not dispatcher.send("run-1", "task-1")
        assert dispatcher.backlog() is None
