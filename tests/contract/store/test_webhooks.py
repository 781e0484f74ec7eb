"""Whom a run's end is told to, and that it is told in the transaction that ends the run."""

from typing import Any

import pytest
from sqlalchemy import event, select, update

from tests.contract.store.test_forms import held, paused
from tests.contract.store.world import World, count, finished
from worker.engine.errors import RunFenced
from worker.engine.events import RunStatus
from worker.store import claims, webhook_secrets, webhooks
from worker.store.errors import NotFound
from worker.store.events import EventStretch, read_last
from worker.store.models import WEBHOOK_ENDPOINTS, WebhookDelivery, WebhookEndpoint
from worker.store.prepared import Compiled
from worker.store.webhooks import EVENTS, FINISHED, PAUSED, RunWebhook

URL = "https://receiver.example/hooks"


def put(world: World, url: str = URL, events: Any = (), secret: bytes = b"sealed") -> str:
    return world.database.transact(lambda session: webhooks.put_endpoint(session, world.app_id, url, events, secret))


def put_secret_of_runs(world: World, secret: bytes = b"sealed for runs") -> None:
    world.database.transact(lambda session: webhook_secrets.put_secret_of_runs(session, world.app_id, secret))


def messages(world: World) -> list[WebhookDelivery]:
    with world.database.read() as session:
        return list(session.scalars(select(WebhookDelivery).order_by(WebhookDelivery.url)))


def sent_to(world: World) -> list[str]:
    return [message.url for message in messages(world)]


def end(world: World, **changes: Any) -> str:
    claim = world.start(**changes)
    assert world.finish(claim)
    return claim.run_id


def disable(world: World) -> None:
    with world.database.begin() as session:
        session.execute(update(WEBHOOK_ENDPOINTS).values(disabled_at=1.0))


def test_the_end_of_a_run_is_told_to_every_endpoint_of_its_app(world: World) -> None:
    other = World(world.database, "Other")
    endpoint = put(world, "https://a.example/1")
    put(world, "https://b.example/2")
    put(other, "https://c.example/3")

    run_id = end(world)

    first, second = messages(world)
    assert (first.endpoint_id, first.run_id, first.event, first.url) == (endpoint, run_id, FINISHED, "https://a.example/1")
    assert (first.status, first.attempts, first.failures, first.ended_at) == ("pending", 0, 0, None)
    assert first.due_at == first.created_at
    assert (second.url, first.id != second.id) == ("https://b.example/2", True)


def test_a_run_that_nobody_waits_for_leaves_no_message(world: World) -> None:
    end(world)
    put(world)
    disable(world)
    end(world)

    assert messages(world) == []


def test_a_run_that_nobody_waits_for_costs_no_statement_more(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    statements: list[str] = []
    claim = world.start()
    engine, execute = world.database.engine, Compiled.execute

    def note(connection: Any, cursor: Any, statement: str, *rest: Any) -> None:
        statements.append(statement.split(maxsplit=2)[1 if statement.startswith("UPDATE") else 2])

    def note_prepared(statement: Compiled, connection: Any, values: Any) -> Any:
        note(connection, None, statement.text)
        return execute(statement, connection, values)

    monkeypatch.setattr(Compiled, "execute", note_prepared)
    event.listen(engine, "before_cursor_execute", note)
    try:
        world.finish(claim)
    finally:
        event.remove(engine, "before_cursor_execute", note)

    assert statements == ["runs", "run_payloads"]


def test_a_run_may_name_an_address_of_its_own(world: World) -> None:
    put_secret_of_runs(world)
    end(world)
    run_id = end(world, webhook=RunWebhook(URL))

    (message,) = messages(world)
    assert (message.run_id, message.url, message.event) == (run_id, URL, FINISHED)


def test_a_run_with_an_address_is_told_to_the_endpoints_too(world: World) -> None:
    put_secret_of_runs(world)
    put(world, "https://a.example/")
    end(world, webhook=RunWebhook("https://b.example/"))

    assert sent_to(world) == ["https://a.example/", "https://b.example/"]


def test_an_endpoint_hears_of_the_events_that_it_wants(world: World) -> None:
    put_secret_of_runs(world)
    put(world, "https://all.example/")
    for name in EVENTS:
        put(world, f"https://{name}.example/", [name])
    run_id = end(world, webhook=RunWebhook("https://run.example/", [PAUSED]))
    assert sent_to(world) == ["https://all.example/", "https://workflow.finished.example/"]

    with world.database.begin() as session:
        webhooks.announce(session, run_id, PAUSED)

    paused = [message.url for message in messages(world) if message.event == PAUSED]
    assert paused == ["https://all.example/", "https://run.example/", "https://workflow.paused.example/"]


def test_a_run_that_waits_for_people_is_told_as_such(world: World) -> None:
    put(world)
    claim = paused(world, held())

    (message,) = messages(world)
    assert (message.run_id, message.event, message.event_number) == (claim.run_id, PAUSED, 2)


@pytest.mark.parametrize("status", [RunStatus.FAILED, RunStatus.STOPPED, RunStatus.PARTIAL_SUCCEEDED])
def test_every_kind_of_end_is_told(world: World, status: RunStatus) -> None:
    put(world)

    world.finish(world.start(), status)

    assert len(messages(world)) == 1


def test_a_run_that_is_stopped_before_it_began_is_told_too(world: World) -> None:
    put(world)
    stop = world.stop(world.accept().task_id)
    assert stop is not None
    assert stop.claim is not None

    world.finish(stop.claim, RunStatus.STOPPED)

    assert [message.run_id for message in messages(world)] == [stop.run_id]


def test_an_end_that_was_not_written_is_not_told(world: World) -> None:
    put(world)
    claim = world.start()
    world.stop(claim.task_id)
    assert not world.finish(claim)
    assert messages(world) == []

    assert world.finish(claim, RunStatus.STOPPED)
    assert world.finish(claim, RunStatus.STOPPED)
    with pytest.raises(RunFenced):
        world.finish(claim, RunStatus.FAILED)
    assert len(messages(world)) == 1


def test_a_message_knows_the_event_of_the_run_that_it_tells(world: World) -> None:
    put(world)
    claim = world.start()
    frames = [b'{"event":"workflow_started"}', b'{"event":"workflow_finished","n":1}']
    with world.database.begin() as session:
        claims.finish_run(session, claim.run_id, claim.attempt, finished(), {}, [], EventStretch.of(1, frames))

    assert messages(world)[0].event_number == 2


def test_the_last_event_of_a_kind_is_found_up_to_a_number(world: World) -> None:
    claim = world.start()
    for first, frames in ((1, [b"a1", b"b2", b"a3"]), (4, [b"c4", b"a5"])):
        with world.database.begin() as session:
            claims.save_progress(session, claim.run_id, claim.attempt, [], EventStretch.of(first, frames))

    with world.database.read() as session:
        found = [read_last(session, claim.run_id, (b"a",), until) for until in (0, 1, 2, 3, 4, 5, 6)]
        assert read_last(session, claim.run_id, (b"a",)) == b"a5"
    assert found == [None, b"a1", b"a1", b"a3", b"a3", b"a5", b"a5"]


def test_an_endpoint_that_is_put_again_is_the_same_one_with_another_secret(world: World) -> None:
    first = put(world, secret=b"one")
    disable(world)

    assert put(world, events=[PAUSED], secret=b"two") == first
    with world.database.read() as session:
        (endpoint,) = webhooks.list_endpoints(session, world.app_id)
    assert (endpoint.secret, endpoint.events, endpoint.disabled_at) == (b"two", PAUSED, None)


def test_the_first_secret_for_runs_stays(world: World) -> None:
    with world.database.read() as session:
        assert webhook_secrets.find_secret_of_runs(session, world.app_id) is None
    put_secret_of_runs(world, b"one")
    put_secret_of_runs(world, b"two")

    with world.database.read() as session:
        assert webhook_secrets.find_secret_of_runs(session, world.app_id) == b"one"
        assert webhooks.list_endpoints(session) == []


@pytest.mark.parametrize("named_by", ["id", "url"])
def test_a_removed_endpoint_takes_its_messages_along(world: World, named_by: str) -> None:
    put_secret_of_runs(world)
    endpoint = put(world)
    end(world)

    with world.database.begin() as session:
        webhooks.remove_endpoint(session, world.app_id, endpoint if named_by == "id" else URL)

    assert count(world.database, WebhookDelivery) == 0
    assert count(world.database, WebhookEndpoint) == 1


def test_what_is_not_there_cannot_be_removed(world: World) -> None:
    put_secret_of_runs(world)
    other = World(world.database, "Other")
    foreign = put(other)
    for named in (foreign, URL, "", "x"):
        with pytest.raises(NotFound, match="no webhook endpoint"), world.database.begin() as session:
            webhooks.remove_endpoint(session, world.app_id, named)


def test_secrets_are_those_of_the_standard() -> None:
    secrets = {webhook_secrets.make_secret() for _ in range(5)}

    assert len(secrets) == 5
    assert all(secret.startswith("whsec_") and len(secret) == 6 + 44 for secret in secrets)
