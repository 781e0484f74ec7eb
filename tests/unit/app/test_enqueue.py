import json
import socket
from base64 import b64decode

import fakeredis
import pytest

import app.enqueue
from app.enqueue import CeleryDispatcher, Intake, MemoryDispatcher
from tests.unit.running import memory_database
from worker.broker import TASK
from worker.bus.memory import MemoryListener
from worker.config import Config, ConfigError
from worker.store.apps import Profile, create_app, publish
from worker.store.end_users import ensure_end_user
from worker.store.runs import NewRun, get_run


@pytest.fixture
def database():
    made = memory_database()
    yield made
    made.dispose()


@pytest.fixture
def run(database) -> NewRun:
    with database.begin() as session:
        made = create_app(session, Profile("App"))
        version, _ = publish(session, made.id, {}, "hash")
        user = ensure_end_user(session, made.id, "alice")
    ids = {"run_id": "2f4b9a10-7c55-4a0e-9f5a-0d1c2b3a4e5f", "task_id": "19eff89f-ec03-4f75-b0fc-897e7effea02"}
    return NewRun(**ids, app_id=made.id, workflow_id=version.id, workflow_version="v", end_user_id=user, inputs={}, time_limit_s=1.0)


def test_a_task_is_sent_after_the_run_is_stored_and_subscribed_to(database, run: NewRun):
    listener = MemoryListener()
    seen = []

    class Looking(MemoryDispatcher):
        def send(self, run_id: str, task_id: str) -> None:
            with database.read() as session:
                seen.append((get_run(session, run.app_id, run_id) is not None, len(listener._subscriptions), task_id))

    Intake(database, listener, Looking()).accept(run).subscription.close()

    assert seen == [(True, 1, run.task_id)]


def test_a_subscription_does_not_outlive_a_failure(database, run: NewRun):
    class Failing(MemoryDispatcher):
        def send(self, run_id: str, task_id: str) -> None:
            raise KeyboardInterrupt

    listener = MemoryListener()

    with pytest.raises(KeyboardInterrupt):
        Intake(database, listener, Failing()).accept(run)
    assert listener._subscriptions == []


@pytest.fixture
def broker(monkeypatch: pytest.MonkeyPatch):
    """A dispatcher whose Redis lies in memory."""
    with fakeredis.FakeRedis() as client:
        monkeypatch.setattr(app.enqueue, "connect", lambda *_: client)
        yield CeleryDispatcher(Config(redis_url="redis://127.0.0.1:1/0", redis_prefix="test:")), client


def test_the_message_is_a_task_with_the_id_of_the_run(broker):
    dispatcher, client = broker

    dispatcher.send("run-1", "task-1")

    message = json.loads(client.rpop("test:interactive"))
    assert (message["headers"]["task"], message["headers"]["id"]) == (TASK, "task-1")
    assert json.loads(b64decode(message["body"]))[0] == ["run-1"]


def test_a_broker_that_is_away_is_left_to_the_sweeper(caplog):
    CeleryDispatcher(Config(redis_url="redis://127.0.0.1:1/0")).send("run-1", "task-1")

    assert "the sweeper sends it later" in caplog.text


def test_a_broker_that_hangs_costs_a_request_little(monkeypatch: pytest.MonkeyPatch, caplog):
    monkeypatch.setattr(app.enqueue, "PATIENCE_S", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        dispatcher = CeleryDispatcher(Config(redis_url=f"redis://127.0.0.1:{silent.getsockname()[1]}/0"))
        dispatcher.send("run-1", "task-1")

    assert "the sweeper sends it later" in caplog.text


def test_a_dispatcher_without_a_broker_is_a_config_error():
    with pytest.raises(ConfigError):
        CeleryDispatcher(Config())
