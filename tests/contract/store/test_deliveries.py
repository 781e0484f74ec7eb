"""Webhook messages on their way: taken once at a time, tried again, given up, asked for again."""

from functools import partial
from typing import Any

import pytest
from sqlalchemy import update

from tests.contract.store.test_webhooks import end, put, put_secret_of_runs
from tests.contract.store.world import World, count, race
from worker.store import apps, deliveries, webhooks
from worker.store.deliveries import COLUMNS, Attempt, Delivery
from worker.store.errors import NotFound
from worker.store.models import WEBHOOK_DELIVERIES, WebhookAttempt, WebhookDelivery, WebhookEndpoint
from worker.store.webhooks import RunWebhook

A, B = "https://a.example/hook", "https://b.example:8443/hook"

OK = Attempt(200, None, 12)
FAILED = Attempt(500, "The receiver answered 500.", 34)


def lane(world: World, url: str = A) -> str:
    return webhooks.lane_of(world.app_id, url)


def due_lanes(world: World) -> list[str]:
    with world.database.read() as session:
        return deliveries.find_due_lanes(session)


def take(world: World, url: str = A, limit: int = 10, lease_s: float = 60.0) -> list[Delivery]:
    with world.database.begin() as session:
        return deliveries.claim_due(session, lane(world, url), limit, lease_s)


def take_one(world: World, **how: Any) -> Delivery:
    (delivery,) = take(world, **how)
    return delivery


def note(world: World, how: Any, delivery: Delivery, attempt: Attempt, *more: Any) -> None:
    with world.database.begin() as session:
        how(session, delivery, attempt, *more)


def row(world: World, delivery: Delivery) -> WebhookDelivery:
    with world.database.read() as session:
        return session.get_one(WebhookDelivery, delivery.id)


def attempts(world: World, delivery: Delivery) -> list[tuple[int, int | None, str | None]]:
    with world.database.read() as session:
        return [(one.number, one.status, one.error) for one in deliveries.list_attempts(session, delivery.id)]


def make_due(world: World) -> None:
    with world.database.begin() as session:
        session.execute(update(WEBHOOK_DELIVERIES).where(WEBHOOK_DELIVERIES.c.due_at.is_not(None)).values(due_at=1.0))


def test_a_message_is_taken_with_what_it_takes_to_send_it(world: World) -> None:
    put(world, A, secret=b"sealed a")
    run_id = end(world)

    assert due_lanes(world) == [lane(world)]
    taken = take_one(world)
    assert (taken.app_id, taken.run_id, taken.event, taken.url, taken.lane) == (world.app_id, run_id, "workflow.finished", A, lane(world))
    assert (taken.attempt, taken.failures, taken.endpoint_url, taken.sealed_secret) == (1, 0, A, b"sealed a")


def test_an_address_of_a_run_is_signed_by_the_secret_for_runs(world: World) -> None:
    put_secret_of_runs(world, b"sealed for runs")
    end(world, webhook=RunWebhook(A))

    taken = take_one(world)
    assert (taken.url, taken.endpoint_url, taken.sealed_secret) == (A, "", b"sealed for runs")


def test_a_message_that_was_taken_is_nobody_elses_until_the_lease_is_over(world: World) -> None:
    put(world, A)
    end(world)
    first = take_one(world)
    assert (take(world), due_lanes(world)) == ([], [])

    make_due(world)
    second = take_one(world)

    assert (second.id, second.attempt) == (first.id, 2)


def test_each_message_is_taken_by_one_of_many_workers(world: World) -> None:
    put(world, A)
    for _ in range(12):
        end(world)

    taken = [delivery.id for found in race([partial(take, world, limit=2) for _ in range(8)]) for delivery in found]

    assert len(taken) == len(set(taken)) == 12


def test_lanes_are_found_however_many_messages_they_hold(world: World) -> None:
    put(world, A)
    put(world, B)
    other = World(world.database, "Other")
    put(other, A)
    for _ in range(3):
        end(world)
        end(other)
    assert due_lanes(world) == sorted([lane(world, A), lane(world, B), lane(other, A)])

    assert len(take(world, B, limit=2)) == 2
    assert lane(world, B) in due_lanes(world)
    take(world, B)
    assert due_lanes(world) == sorted([lane(world, A), lane(other, A)])


def test_a_lane_is_an_app_with_scheme_host_and_port() -> None:
    assert webhooks.lane_of("app", "https://X.example:8443/a?b#c") == "app https://x.example:8443"
    assert webhooks.lane_of("app", "http://x.example/1") == webhooks.lane_of("app", "http://x.example/2")


def test_a_delivered_message_is_done(world: World) -> None:
    put(world, A)
    end(world)
    taken = take_one(world)

    for _ in range(2):
        note(world, deliveries.note_delivered, taken, OK)

    made = row(world, taken)
    assert (made.status, made.due_at, made.attempts, made.failures) == ("delivered", None, 1, 0)
    assert made.ended_at is not None
    assert attempts(world, taken) == [(1, 200, None)]
    assert due_lanes(world) == []


def test_a_failed_attempt_is_tried_again_later(world: World) -> None:
    put(world, A)
    end(world)
    taken = take_one(world)

    for _ in range(2):
        note(world, deliveries.note_failure, taken, FAILED, 500.0)

    made = row(world, taken)
    assert (made.status, made.failures, made.ended_at) == ("pending", 1, None)
    assert made.due_at is not None
    assert 490 < made.due_at - made.created_at < 520
    assert due_lanes(world) == []
    make_due(world)
    again = take_one(world)
    assert (again.attempt, again.failures) == (2, 1)
    note(world, deliveries.note_delivered, again, OK)
    assert attempts(world, taken) == [(1, 500, "The receiver answered 500."), (2, 200, None)]


def test_a_message_can_be_given_up(world: World) -> None:
    put(world, A)
    end(world)
    taken = take_one(world)

    note(world, deliveries.note_failure, taken, Attempt(None, "nul \0 here"), None)

    made = row(world, taken)
    assert (made.status, made.due_at, made.failures) == ("failed", None, 1)
    assert attempts(world, taken) == [(1, None, "nul \ufffd here")]


def test_a_sender_that_was_thought_dead_changes_nothing_but_the_log(world: World) -> None:
    put(world, A)
    end(world)
    slow = take_one(world)
    make_due(world)
    current = take_one(world)

    note(world, deliveries.note_failure, slow, FAILED, None)
    with world.database.begin() as session:
        deliveries.give_back(session, slow)

    assert row(world, slow).status == "pending"
    assert take(world) == []
    note(world, deliveries.note_delivered, current, OK)
    note(world, deliveries.note_failure, slow, FAILED, 1.0)
    assert row(world, slow).status == "delivered"
    assert [number for number, *_ in attempts(world, slow)] == [1, 2]


def test_a_message_that_is_given_back_is_due_at_once(world: World) -> None:
    put(world, A)
    end(world)
    taken = take_one(world)
    with world.database.begin() as session:
        deliveries.give_back(session, taken)

    again = take_one(world)
    assert (again.attempt, again.failures) == (2, 0)


def test_a_receiver_that_is_gone_gets_nothing_any_more(world: World) -> None:
    put(world, A)
    put(world, B)
    end(world)
    end(world)
    (first, second) = take(world)

    note(world, deliveries.note_gone, first, Attempt(410, "The receiver answered 410."))
    end(world)

    with world.database.read() as session:
        assert {endpoint.url: endpoint.disabled_at is not None for endpoint in webhooks.list_endpoints(session)} == {A: True, B: False}
    assert (row(world, first).status, row(world, second).status) == ("failed", "failed")
    assert due_lanes(world) == [lane(world, B)]
    assert len(take(world, B)) == 3


def test_an_address_of_a_run_that_is_gone_concerns_that_message_alone(world: World) -> None:
    put_secret_of_runs(world)
    for _ in range(2):
        end(world, webhook=RunWebhook(A))
    first, second = take(world)

    note(world, deliveries.note_gone, first, Attempt(410, "The receiver answered 410."))

    assert (row(world, first).status, row(world, second).status) == ("failed", "pending")
    end(world, webhook=RunWebhook(A))
    assert len(take(world)) == 1


@pytest.mark.parametrize("how", ["delivered", "failed", "pending"])
def test_a_message_can_be_asked_for_again(world: World, how: str) -> None:
    put(world, A)
    end(world)
    taken = take_one(world)
    if how != "pending":
        note(world, *((deliveries.note_delivered, taken, OK) if how == "delivered" else (deliveries.note_failure, taken, FAILED, None)))

    with world.database.begin() as session:
        deliveries.redeliver(session, taken.id)

    again = take_one(world)
    assert (again.id, again.attempt, again.failures) == (taken.id, 2, 0)
    assert (row(world, again).status, row(world, again).ended_at) == ("pending", None)


def test_a_message_to_a_disabled_endpoint_cannot_be_asked_for(world: World) -> None:
    put(world, A)
    end(world)
    taken = take_one(world)
    note(world, deliveries.note_gone, taken, Attempt(410, "gone"))

    for named in (taken.id, "00000000-0000-4000-8000-000000000000", "x"):
        with pytest.raises(NotFound, match=r"penstock webhooks add"), world.database.begin() as session:
            deliveries.redeliver(session, named)
    put(world, A)
    with world.database.begin() as session:
        deliveries.redeliver(session, taken.id)
    assert len(take(world)) == 1


def test_messages_are_listed_newest_first_with_their_last_attempt(world: World) -> None:
    put(world, A)
    other = World(world.database, "Other")
    put(other, B)
    runs = [end(world), end(other), end(world)]
    with world.database.begin() as session:
        # Not all in the same millisecond, which is as fine as SQLite's clock goes.
        for number, run_id in enumerate(runs):
            session.execute(update(WEBHOOK_DELIVERIES).where(COLUMNS.run_id == run_id).values(created_at=100.0 + number))
    for delivery in take(world):
        note(world, deliveries.note_failure, delivery, FAILED, -1.0)
    (newest,) = [one for one in take(world) if one.run_id == runs[2]]
    note(world, deliveries.note_delivered, newest, OK)

    def listed(*arguments: Any, **how: Any) -> list[tuple[str, int | None]]:
        with world.database.read() as session:
            found = deliveries.list_deliveries(session, *arguments, **how)
        return [(one.delivery.run_id, one.last_attempt and one.last_attempt.status) for one in found]

    assert listed() == [(runs[2], 200), (runs[1], None), (runs[0], 500)]
    assert listed(world.app_id) == [(runs[2], 200), (runs[0], 500)]
    assert listed(status="delivered") == listed(run_id=runs[2]) == listed(limit=1) == [(runs[2], 200)]


def test_attempts_of_a_message_that_does_not_exist_are_not_found(world: World) -> None:
    for named in ("x", "00000000-0000-4000-8000-000000000000"):
        with pytest.raises(NotFound, match="no delivery"), world.database.read() as session:
            deliveries.list_attempts(session, named)


def test_a_deleted_app_takes_endpoints_messages_and_attempts_along(world: World) -> None:
    put(world, A)
    end(world)
    taken = take_one(world)
    note(world, deliveries.note_failure, taken, FAILED, 1.0)
    with world.database.begin() as session:
        apps.delete_app(session, world.app_id)

    note(world, deliveries.note_delivered, taken, OK)

    assert [count(world.database, model) for model in (WebhookEndpoint, WebhookDelivery, WebhookAttempt)] == [0, 0, 0]
