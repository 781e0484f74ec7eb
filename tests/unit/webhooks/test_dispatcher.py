from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import update

from tests.services.receiver import Receiver
from tests.services.waiting import wait_for
from tests.unit.webhooks.conftest import SEALING, add_endpoint, end, facts, told_to
from worker.engine.inbox import Inbox
from worker.engine.variables import remote_address
from worker.outbound.client import GuardedClient
from worker.store.errors import StorageUnavailable
from worker.store.models import WEBHOOK_DELIVERIES
from worker.store.session import Database
from worker.webhooks import dispatcher as dispatching
from worker.webhooks import schedule
from worker.webhooks.dispatcher import WebhookDispatcher
from worker.webhooks.lanes import PER_LANE
from worker.webhooks.sending import Sender

Make = Callable[..., WebhookDispatcher]


@pytest.fixture
def make(database: Database) -> Iterator[Make]:
    made: list[WebhookDispatcher] = []

    def make(**changes: Any) -> WebhookDispatcher:
        inbox, http = Inbox(), GuardedClient(("127.0.0.1",), total_s=10.0)
        sender = Sender(database, http, lambda: SEALING, lambda app_id: remote_address, inbox)
        made.append(WebhookDispatcher(changes.get("database", database), changes.get("sender", sender), http, inbox))
        return made[-1]

    yield make
    for one in made:
        one.stop()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as server:
        yield server


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Attempts follow each other at once, and looks too."""
    monkeypatch.setattr(schedule, "DELAYS_S", (0.0,) * 4)
    monkeypatch.setattr(dispatching, "LOOK_S", 0.02)
    monkeypatch.setattr(dispatching, "GRACE_S", 0.2)


def statuses(database: Database) -> list[str]:
    return [one.delivery.status for one in facts(database)]


def wait_until(database: Database, *expected: str) -> None:
    wait_for(lambda: statuses(database) == list(expected), f"deliveries to be {expected}", 20)


def test_the_end_of_a_run_is_told_within_moments(database: Database, make: Make, receiver: Receiver) -> None:
    make().start()
    run = told_to(database, receiver.url)
    end(database, run)

    (received,) = receiver.wait_for()
    wait_until(database, "delivered")
    (found,) = facts(database)
    assert (received.id, received.json["workflow_run_id"]) == (found.delivery.id, run.run_id)
    assert (found.delivery.attempts, found.last_attempt and found.last_attempt.status) == (1, 200)


def test_a_receiver_that_fails_twice_gets_the_same_message_three_times(database: Database, make: Make, receiver: Receiver) -> None:
    end(database, told_to(database, f"{receiver.url}/answer/500/503/200"))
    make().start()

    wait_until(database, "delivered")
    received = receiver.received()
    assert len(received) == 3
    assert len({one.id for one in received}) == len({one.body for one in received}) == 1


def test_a_message_is_given_up_after_the_last_attempt(database: Database, make: Make, receiver: Receiver) -> None:
    end(database, told_to(database, f"{receiver.url}/answer/500"))
    make().start()

    wait_until(database, "failed")
    assert len(receiver.received()) == len(schedule.DELAYS_S) + 1


def test_a_receiver_that_is_gone_is_asked_once(database: Database, make: Make, receiver: Receiver) -> None:
    run = told_to(database, f"{receiver.url}/answer/410")
    end(database, run)
    make().start()

    wait_until(database, "failed")
    assert len(receiver.received()) == 1
    assert facts(database)[0].endpoint.disabled_at is not None


def test_a_receiver_that_hangs_delays_no_other(database: Database, make: Make, receiver: Receiver) -> None:
    with Receiver() as dead:
        for _ in range(PER_LANE + 3):
            end(database, told_to(database, f"{dead.url}/hang/1"))
        hanging = make()
        hanging.start()
        dead.wait_for()
        end(database, told_to(database, receiver.url))

        began = time.monotonic()
        receiver.wait_for()
        assert time.monotonic() - began < 5
        dead.release()
    wait_until(database, *["delivered"] * (PER_LANE + 4))


def test_one_receiver_gets_a_few_messages_at_a_time(database: Database, make: Make, receiver: Receiver) -> None:
    url = f"{receiver.url}/hang/1"
    run = told_to(database, url)
    add_endpoint(database, run, f"{receiver.url}/other")
    for number in range(PER_LANE + 3):
        add_endpoint(database, run, f"{receiver.url}/hang/1?{number}")
    end(database, run)
    make().start()

    receiver.wait_for(PER_LANE)
    time.sleep(0.1)
    assert len(receiver.received()) <= PER_LANE + 1
    receiver.release()
    wait_until(database, *["delivered"] * (PER_LANE + 5))


def test_a_message_whose_worker_died_goes_to_another_one(database: Database, make: Make, receiver: Receiver) -> None:
    run = told_to(database, receiver.url)
    end(database, run)
    take_and_die(database)
    make().start()
    time.sleep(0.1)
    assert receiver.received() == []

    with database.begin() as session:
        session.execute(update(WEBHOOK_DELIVERIES).values(due_at=1.0))

    receiver.wait_for()
    wait_until(database, "delivered")
    assert facts(database)[0].delivery.attempts == 2


def take_and_die(database: Database) -> None:
    with database.begin() as session:
        session.execute(update(WEBHOOK_DELIVERIES).values(attempts=1, due_at=WEBHOOK_DELIVERIES.c.due_at + 60.0))


def test_what_hangs_when_the_worker_leaves_is_due_for_another_one_at_once(database: Database, make: Make, receiver: Receiver) -> None:
    end(database, told_to(database, f"{receiver.url}/hang/1"))
    leaving = make()
    leaving.start()
    receiver.wait_for()

    began = time.monotonic()
    leaving.stop()
    assert time.monotonic() - began < 5

    assert statuses(database) == ["pending"]
    receiver.release()
    make().start()
    wait_until(database, "delivered")
    assert [one.delivery.failures for one in facts(database)] == [0]


def test_what_is_nearly_done_when_the_worker_leaves_is_done(
    database: Database, make: Make, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dispatching, "GRACE_S", 10.0)
    end(database, told_to(database, f"{receiver.url}/hang/1"))
    leaving = make()
    leaving.start()
    receiver.wait_for()

    threading.Timer(0.1, receiver.release).start()
    leaving.stop()

    assert statuses(database) == ["delivered"]


def test_a_message_that_nobody_can_make_is_given_up_like_any_other(database: Database, make: Make, receiver: Receiver) -> None:
    class Broken:
        def send(self, delivery: object) -> None:
            raise KeyError("what")

    end(database, told_to(database, receiver.url))
    make(sender=Broken()).start()

    wait_until(database, "failed")
    last = facts(database)[0].last_attempt
    assert last is not None
    assert last.error == "The message could not be sent (KeyError)."


def test_a_database_that_is_away_is_waited_for(database: Database, make: Make, receiver: Receiver) -> None:
    class Flaky(Database):
        failures = 3

        def read(self) -> Any:
            if self.failures:
                self.failures -= 1
                raise StorageUnavailable("gone")
            return super().read()

    end(database, told_to(database, receiver.url))
    make(database=Flaky(database.engine)).start()

    wait_until(database, "delivered")
