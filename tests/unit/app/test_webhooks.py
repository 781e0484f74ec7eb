from typing import Any

import pytest
from sqlalchemy import select

from tests.unit.app.serving import Caller, Service, served
from tests.unit.app.test_runs import runs
from worker.config import Config
from worker.store.models import WebhookDelivery, WebhookEndpoint

URL = "https://receiver.example/hook?token=1"


def messages(service: Service) -> list[WebhookDelivery]:
    service.worker.join()
    with service.database.read() as session:
        return list(session.scalars(select(WebhookDelivery)))


@pytest.fixture
def sealed_service(tmp_path):
    with served(config=Config(database_url="sqlite://", data_dir=tmp_path, secret_key="a secret")) as service:
        yield service


@pytest.mark.parametrize("mode", ["blocking", "streaming", "async"])
def test_a_run_of_any_mode_may_name_an_address_that_is_told_of_its_end(sealed_service: Service, mode: str):
    answer = sealed_service.hello().run(response_mode=mode, webhook={"url": URL})
    # The client of a stream leaves: that changes nothing.
    answer.close()

    (message,) = messages(sealed_service)
    assert (message.url, message.event, message.status) == (URL, "workflow.finished", "pending")
    assert message.run_id == answer.headers.get("X-Workflow-Run-ID", message.run_id)


def test_the_events_that_are_told_can_be_chosen(sealed_service: Service):
    caller = sealed_service.hello()
    caller.run(webhook={"url": URL, "events": ["workflow.paused"]})
    caller.run(webhook={"url": URL, "events": ["workflow.paused", "workflow.finished"], "other": 1})
    caller.run(webhook={"url": URL, "events": None})
    caller.run(webhook=None)

    assert len(messages(sealed_service)) == 2


def test_the_secret_that_signs_them_is_made_once_and_sealed(sealed_service: Service):
    caller = sealed_service.hello()
    for _ in range(2):
        caller.run(webhook={"url": URL})

    with sealed_service.database.read() as session:
        (endpoint,) = session.scalars(select(WebhookEndpoint))
    assert (endpoint.app_id, endpoint.url) == (caller.app_id, "")
    assert b"whsec_" not in endpoint.secret


@pytest.mark.parametrize(
    ("webhook", "message"),
    [
        ("x", "webhook must be an object."),
        ({}, "webhook.url is required."),
        ({"url": None}, "webhook.url must be a text."),
        ({"url": 5}, "webhook.url must be a text."),
        ({"url": "receiver.example"}, "webhook.url must be an address that starts with http:// or https://."),
        ({"url": "ftp://receiver.example"}, "webhook.url must be an address that starts with http:// or https://."),
        ({"url": "https://"}, "webhook.url must be an address that starts with http:// or https://."),
        ({"url": "https://x.example/" + "x" * 2048}, "webhook.url must not be longer than 2048 characters."),
        (
            {"url": "https://u:p@receiver.example/"},
            "webhook.url must not contain a password: the signature tells the receiver who sends.",
        ),
        ({"url": URL, "events": "workflow.finished"}, "webhook.events must be an array of event names."),
        ({"url": URL, "events": ["finished"]}, "webhook.events.0 must be one of workflow.finished, workflow.paused."),
    ],
)
def test_a_webhook_that_makes_no_sense_is_refused(caller: Caller, webhook: Any, message: str):
    answer = caller.run(webhook=webhook)

    assert (answer.status_code, answer.json["code"], answer.json["params"]) == (400, "invalid_param", "webhook")
    assert answer.json["message"] == message
    assert runs(caller) == 0


def test_where_nothing_can_be_sealed_the_setting_is_named(service: Service, caller: Caller):
    """With a database of its own and no PENSTOCK_SECRET_KEY."""
    answer = caller.run(webhook={"url": URL})

    assert (answer.status_code, answer.json["code"], answer.json["params"]) == (400, "invalid_param", "webhook")
    assert "PENSTOCK_SECRET_KEY is not set" in answer.json["message"]
    assert runs(caller) == 0
