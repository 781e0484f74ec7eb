"""Messages for workers: what Celery would have sent, in the order in which they were put."""

import json
import threading
from collections.abc import Iterator

import fakeredis
import pytest
import redis
from celery import Celery
from kombu.transport import memory

from worker.broker import BATCH_QUEUE, QUEUE, TASK, celery_settings
from worker.bus.tasks import TaskQueues, task_message
from worker.config import Config

#: Names the sender or the one message.
OWN = ("origin", "reply_to", "delivery_tag")


@pytest.fixture
def client() -> Iterator[fakeredis.FakeRedis]:
    with fakeredis.FakeRedis() as made:
        yield made


def sent_by_celery(run_id: str, task_id: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, object]:
    sent: list[dict[str, object]] = []
    monkeypatch.setattr(memory.Channel, "_put", lambda channel, queue, message, **_: sent.append(message))
    with Celery("sender", set_as_current=False) as sender:
        sender.conf.update(celery_settings(Config(redis_url="redis://127.0.0.1:1/0")))
        sender.conf.update(broker_url="memory://", broker_transport_options={})
        sender.send_task(TASK, args=[run_id], task_id=task_id, queue=QUEUE, ignore_result=True)
    return sent[0]


def plain(message: dict[str, object]) -> dict[str, object]:
    """Without what differs between two messages that say the same."""
    parts = {name: part for name, part in message.items() if not isinstance(part, dict)}
    return {**parts, **{name: {key: value for key, value in message[name].items() if key not in OWN} for name in ("headers", "properties")}}  # type: ignore[attr-defined]


def test_a_message_is_what_celery_would_send(monkeypatch: pytest.MonkeyPatch) -> None:
    ours, theirs = json.loads(task_message("run-1", "task-1")), sent_by_celery("run-1", "task-1", monkeypatch)

    assert ours.keys() == theirs.keys()
    assert [ours[name].keys() for name in ("headers", "properties")] == [theirs[name].keys() for name in ("headers", "properties")]  # type: ignore[attr-defined]
    assert bodies(ours) == bodies(theirs)
    assert plain({**ours, "body": ""}) == plain({**theirs, "body": ""})


def bodies(message: dict[str, object]) -> object:
    from base64 import b64decode

    return json.loads(b64decode(str(message["body"])))


def test_no_two_messages_have_a_tag_in_common() -> None:
    tags = {json.loads(task_message("run-1", "task-1"))["properties"]["delivery_tag"] for _ in range(100)}

    assert len(tags) == 100


def test_each_queue_knows_its_length(client: fakeredis.FakeRedis) -> None:
    queues = TaskQueues(client, "test:")
    for number in range(3):
        queues.put(f"run-{number}", f"task-{number}")

    assert (queues.length(), queues.length(BATCH_QUEUE)) == (3, 0)


def test_the_oldest_message_is_the_next_one_of_its_queue(client: fakeredis.FakeRedis) -> None:
    queues = TaskQueues(client, "test:")

    queues.put("run-1", "task-1")
    queues.put("run-2", "task-2", BATCH_QUEUE)
    queues.put("run-3", "task-3")

    assert [json.loads(client.rpop(f"test:{queue}"))["headers"]["id"] for queue in (QUEUE, QUEUE, BATCH_QUEUE)] == [
        "task-1",
        "task-3",
        "task-2",
    ]


def test_messages_of_many_threads_all_arrive(client: fakeredis.FakeRedis) -> None:
    queues = TaskQueues(client, "")
    threads = [threading.Thread(target=queues.put, args=(f"run-{number}", f"task-{number}")) for number in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    ids = {json.loads(message)["headers"]["id"] for message in client.lrange(QUEUE, 0, -1)}
    assert ids == {f"task-{number}" for number in range(50)}


def test_whoever_sends_learns_that_redis_is_away() -> None:
    queues = TaskQueues(redis.Redis(port=1), "")

    with pytest.raises(redis.ConnectionError):
        queues.put("run-1", "task-1")
