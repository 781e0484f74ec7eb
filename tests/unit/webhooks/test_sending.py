from __future__ import annotations

import base64
import hashlib
import hmac
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.services.receiver import Answer, Receiver
from tests.unit.webhooks.conftest import SEALING, SECRET, end, take, told_to
from worker.engine.errors import RunStopped
from worker.engine.inbox import Inbox
from worker.engine.variables import remote_address
from worker.outbound.client import GuardedClient
from worker.store.deliveries import Attempt
from worker.store.errors import SealError
from worker.store.sealing import Sealing
from worker.store.session import Database
from worker.webhooks.sending import ANSWER_BYTES, Sender

Send = Callable[..., Attempt]


@pytest.fixture
def inbox() -> Inbox:
    return Inbox()


@pytest.fixture
def send(database: Database, inbox: Inbox) -> Iterator[Send]:
    """Delivers the message about a new run to an address, once."""
    clients: list[GuardedClient] = []

    def send(url: str, *, sealing: Any = SEALING, allow: tuple[str, ...] = ("127.0.0.1",), total_s: float = 5.0) -> Attempt:
        clients.append(GuardedClient(allow, total_s=total_s))
        run = told_to(database, url)
        end(database, run)
        return sender(clients[-1], sealing).send(take(database, run, url))

    def sender(http: GuardedClient, sealing: Any) -> Sender:
        return Sender(database, http, sealing if callable(sealing) else lambda: sealing, lambda app_id: remote_address, inbox)

    yield send
    for client in clients:
        client.close()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as server:
        yield server


def test_a_message_arrives_signed(send: Send, receiver: Receiver) -> None:
    attempt = send(f"{receiver.url}/hooks?x=1")

    (received,) = receiver.received()
    headers = received.headers
    assert (attempt.status, attempt.error, received.path) == (200, None, "/hooks?x=1")
    assert 0 <= attempt.elapsed_ms < 5000
    assert headers["content-type"] == "application/json"
    assert abs(int(headers["webhook-timestamp"]) - time.time()) < 5
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + received.body
    key = base64.b64decode(SECRET.removeprefix("whsec_"))
    assert headers["webhook-signature"] == "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    assert received.json["type"] == "workflow.finished"


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_every_2xx_is_a_delivery(send: Send, receiver: Receiver, status: int) -> None:
    assert send(f"{receiver.url}/answer/{status}").error is None


@pytest.mark.parametrize("status", [301, 307, 400, 404, 410, 429, 500, 503])
def test_everything_else_is_none(send: Send, receiver: Receiver, status: int) -> None:
    attempt = send(f"{receiver.url}/answer/{status}")

    assert attempt.status == status
    assert f"answered {status}." in (attempt.error or "")
    assert attempt.is_gone == (status == 410)
    assert ("Redirects are not followed" in (attempt.error or "")) == (status in (301, 307))


@pytest.mark.parametrize(
    ("text", "expected"), [("120", 120.0), ("", 0.0), ("Wed, 21 Oct 2015 07:28:00 GMT", 0.0), ("-1", 0.0), ("9" * 40, 0.0)]
)
def test_retry_after_is_read_in_seconds(send: Send, text: str, expected: float) -> None:
    with Receiver(lambda received: Answer(503, {"Retry-After": text})) as receiver:
        assert send(receiver.url).retry_after_s == expected


def test_a_redirect_is_not_followed(send: Send) -> None:
    with Receiver(lambda received: Answer(307, {"Location": "/elsewhere"})) as receiver:
        send(receiver.url)
        assert [one.path for one in receiver.received()] == ["/"]


def test_a_receiver_that_hangs_costs_seconds(send: Send, receiver: Receiver) -> None:
    attempt = send(f"{receiver.url}/hang/1", total_s=0.2)

    assert (attempt.status, attempt.error) == (None, "timed out")
    assert 150 < attempt.elapsed_ms < 3000


def test_a_receiver_that_is_not_there_is_a_failure(send: Send) -> None:
    attempt = send("http://127.0.0.1:1/")

    assert attempt.status is None
    assert "refused" in (attempt.error or "")


def test_a_private_address_is_refused_by_the_name_of_the_setting(send: Send, receiver: Receiver) -> None:
    attempt = send(receiver.url, allow=())

    assert attempt.status is None
    assert "PENSTOCK_OUTBOUND_ALLOW" in (attempt.error or "")
    assert receiver.received() == []


@pytest.mark.parametrize("status", [200, 500])
def test_an_answer_of_any_size_counts_by_its_status(send: Send, status: int) -> None:
    with Receiver(lambda received: Answer(status, body=b"x" * (ANSWER_BYTES + 1))) as receiver:
        attempt = send(receiver.url)

    assert (attempt.status, attempt.error is None) == (status, status == 200)


@pytest.mark.parametrize("sealing", [Sealing(b"another key"), lambda: no_key()], ids=["another", "none"])
def test_a_secret_that_cannot_be_opened_is_a_failure_that_says_so(send: Send, receiver: Receiver, sealing: Any) -> None:
    attempt = send(receiver.url, sealing=sealing)

    assert attempt.status is None
    assert "PENSTOCK_SECRET_KEY" in (attempt.error or "")
    assert receiver.received() == []


def no_key() -> Sealing:
    raise SealError("Sealed values cannot be opened: PENSTOCK_SECRET_KEY is not set.")


def test_an_attempt_ends_with_its_worker(send: Send, receiver: Receiver, inbox: Inbox) -> None:
    inbox.stop()

    with pytest.raises(RunStopped):
        send(f"{receiver.url}/hang/1")
