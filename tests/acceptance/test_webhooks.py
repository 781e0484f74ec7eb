"""Webhooks over processes: whoever ends a run, and whichever worker dies, the receiver is told."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from sqlalchemy import update

from tests.services import documents
from tests.services.batches import BATCHES, look
from tests.services.client import RUN, Client
from tests.services.counting import CountingServer
from tests.services.penstock import Deployment, ImportedApp, Web
from tests.services.receiver import Received, Receiver
from tests.services.valkey import Valkey
from tests.services.waiting import wait_for
from tests.unit.webhooks.test_page import EXAMPLE
from worker.config import Config
from worker.store.models import WEBHOOK_DELIVERIES
from worker.store.session import Database

SETTINGS = {"PENSTOCK_SECRET_KEY": "a secret of this deployment", "PENSTOCK_SWEEP": "0.5"}


#: For what has nothing to do with the database.
ON_ONE_DATABASE = pytest.mark.parametrize("deployment", ["sqlite"], indirect=True)


@pytest.fixture(params=["postgresql", "sqlite"])
def deployment(request, tmp_path) -> Iterator[Deployment]:
    url = request.getfixturevalue("postgres_url" if request.param == "postgresql" else "sqlite_url")
    with Valkey() as valkey, Deployment(tmp_path / "deployment", url, valkey.url, **SETTINGS) as deployment:
        deployment.environment["PENSTOCK_OUTBOUND_ALLOW"] = "127.0.0.1"
        yield deployment


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as server:
        yield server


@pytest.fixture
def web(deployment: Deployment) -> Web:
    return deployment.add_web()


@pytest.fixture
def app(deployment: Deployment, counting: CountingServer) -> ImportedApp:
    call = documents.http_get("call", f"{counting.url}/hold/gate")
    counting.release("gate")
    return deployment.import_document(documents.chain("told", [documents.start(), call, documents.end(body=["call", "body"])]))


def submit(web: Web, app: ImportedApp, mode: str = "async", **changes: Any) -> httpx.Response:
    body = {"inputs": {}, "response_mode": mode, "user": "tester", **changes}
    return httpx.post(f"{web.url}{RUN}", json=body, headers={"Authorization": f"Bearer {app.api_key}"}, timeout=60)


def call(deployment: Deployment, *arguments: str) -> str:
    done = deployment.call(*arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout


def listed(deployment: Deployment, *options: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in call(deployment, "webhooks", "deliveries", "--json", *options).splitlines()]


def is_genuine(secret: str, received: Received) -> bool:
    """As docs/webhooks.md tells receivers to check."""
    names: dict[str, Any] = {}
    exec(compile(EXAMPLE, "receiver.py", "exec"), names)
    genuine: bool = names["is_genuine"](secret, received.headers, received.body)
    return genuine


def test_endpoints_and_addresses_of_runs_are_told_what_clients_see(deployment, web, app, receiver):
    secret = json.loads(call(deployment, "webhooks", "add", app.app_id, f"{receiver.url}/app", "--json"))["secret"]
    deployment.add_worker()
    runs = [submit(web, app, mode, webhook={"url": f"{receiver.url}/run"}) for mode in ("blocking", "async")]
    of_runs = call(deployment, "webhooks", "secret", app.app_id).strip()

    to_app, to_run = receiver.wait_for(2, "/app"), receiver.wait_for(2, "/run")
    assert all(is_genuine(secret, one) and not is_genuine(of_runs, one) for one in to_app)
    assert all(is_genuine(of_runs, one) and not is_genuine(secret, one) for one in to_run)
    assert len({one.id for one in (*to_app, *to_run)}) == 4
    with Client(web.url, app.api_key) as client:
        for run in runs:
            run_id = run.json()["workflow_run_id"]
            detail = client.detail(run_id)
            told = [one.json for one in (*to_app, *to_run) if one.json["workflow_run_id"] == run_id]
            assert len(told) == 2
            for message in told:
                shared = {name: message["data"][name] for name in detail if name != "inputs"}
                assert shared == {name: value for name, value in detail.items() if name != "inputs"}


def test_endpoints_and_the_address_of_a_batch_are_told_of_its_end(deployment, web, app, receiver):
    secret = json.loads(call(deployment, "webhooks", "add", app.app_id, f"{receiver.url}/app", "--event", "batch.completed", "--json"))[
        "secret"
    ]
    with Client(web.url, app.api_key) as client:
        order = {"items": [{"custom_id": "only", "inputs": {}}], "user": "tester", "webhook": {"url": f"{receiver.url}/batch"}}
        batch_id = client.http.post(BATCHES, json=order).raise_for_status().json()["id"]
        deployment.add_worker()

        (to_app,), (to_batch,) = receiver.wait_for(1, "/app"), receiver.wait_for(1, "/batch")
        batch = look(client, batch_id)

    assert is_genuine(secret, to_app)
    assert is_genuine(call(deployment, "webhooks", "secret", app.app_id).strip(), to_batch)
    for message in (to_app.json, to_batch.json):
        assert (message["type"], message["batch_id"]) == ("batch.completed", batch_id)
        assert message["data"]["counts"] == batch["counts"]
    wait_for(lambda: {one["status"] for one in listed(deployment)} == {"delivered"}, "the deliveries to be noted")
    assert {(one["batch_id"], one["run_id"]) for one in listed(deployment, "--batch", batch_id)} == {(batch_id, None)}
    assert listed(deployment, "--batch", "another") == []
    assert batch_id in call(deployment, "webhooks", "deliveries")


@ON_ONE_DATABASE
def test_a_receiver_that_fails_gets_the_message_again(deployment, web, app, receiver):
    deployment.add_worker()
    submit(web, app, webhook={"url": f"{receiver.url}/answer/500/200"})

    first, second = receiver.wait_for(2)
    assert (first.id, first.body) == (second.id, second.body)
    wait_for(lambda: listed(deployment)[0]["status"] == "delivered", "the delivery to be noted")
    attempts = call(deployment, "webhooks", "attempts", first.id, "--json").splitlines()
    assert [(attempt["number"], attempt["status"]) for attempt in map(json.loads, attempts)] == [(1, 500), (2, 200)]


def test_a_run_that_was_stopped_before_any_worker_had_it_is_told_by_the_next_worker(deployment, web, app, receiver):
    accepted = submit(web, app, webhook={"url": receiver.url}).json()
    with Client(web.url, app.api_key) as client:
        client.stop(accepted["task_id"])
    assert [delivery["status"] for delivery in listed(deployment)] == ["pending"]

    deployment.add_worker()

    (received,) = receiver.wait_for()
    assert received.json["workflow_run_id"] == accepted["workflow_run_id"]
    assert (received.json["data"]["status"], received.json["data"]["error"]) == ("stopped", "Stopped by user.")


def test_a_worker_that_is_killed_over_a_delivery_leaves_it_to_another_one(deployment, web, app, receiver):
    dying = deployment.add_worker()
    submit(web, app, webhook={"url": f"{receiver.url}/hang/1"})
    receiver.wait_for()
    dying.kill()
    receiver.release()
    (pending,) = listed(deployment)
    assert (pending["status"], pending["attempts"], pending["last_status"]) == ("pending", 1, None)

    deployment.add_worker()
    pass_time(deployment)

    first, second = receiver.wait_for(2)
    assert (first.id, first.body) == (second.id, second.body)
    wait_for(lambda: listed(deployment)[0]["status"] == "delivered", "the delivery to be noted")


def pass_time(deployment: Deployment) -> None:
    """Let the half minute be over for which a message belongs to its sender."""
    database = Database.connect(Config(database_url=deployment.environment["DATABASE_URL"]))
    with database.begin() as session:
        session.execute(update(WEBHOOK_DELIVERIES).values(due_at=WEBHOOK_DELIVERIES.c.due_at - 60.0))
    database.dispose()


@ON_ONE_DATABASE
def test_a_receiver_that_hangs_delays_neither_runs_nor_other_receivers(deployment, web, app, receiver):
    deployment.add_worker()
    with Receiver() as dead:
        call(deployment, "webhooks", "add", app.app_id, f"{dead.url}/hang/1")
        runs = [submit(web, app, "blocking", webhook={"url": receiver.url}) for _ in range(12)]
        assert [run.json()["data"]["status"] for run in runs] == ["succeeded"] * 12
        receiver.wait_for(12)
        assert 1 <= len(dead.received()) <= 4
    assert {run.json()["workflow_run_id"] for run in runs} == {one.json["workflow_run_id"] for one in receiver.received()}


@ON_ONE_DATABASE
def test_a_private_address_is_refused_and_the_log_names_the_setting(deployment, web, app, receiver):
    deployment.environment["PENSTOCK_OUTBOUND_ALLOW"] = ""
    deployment.add_worker()
    submit(web, app, webhook={"url": receiver.url})

    (delivery,) = wait_for(lambda: [one for one in listed(deployment) if one["last_error"]], "the attempt")
    assert "PENSTOCK_OUTBOUND_ALLOW" in delivery["last_error"]
    assert (delivery["status"], delivery["last_status"]) == ("pending", None)
    assert receiver.received() == []
