"""One attempt to deliver a webhook message: signed, past the outbound guard, within seconds."""

from __future__ import annotations

import time
from collections.abc import Callable

from worker.engine.ports import Cancellation, HTTPClient, OutboundRequest, OutboundResponse
from worker.engine.values import FileURL
from worker.outbound.errors import OutboundError, ResponseTooLarge
from worker.store.deliveries import Attempt, Delivery
from worker.store.errors import SealError
from worker.store.sealing import Sealing
from worker.store.session import Database
from worker.store.webhook_secrets import open_secret
from worker.webhooks.messages import message_of
from worker.webhooks.signing import signed_headers

#: Seconds for an attempt as a whole, to connect, and for each answer of the receiver's socket.
ATTEMPT_S = 20.0
CONNECT_S = 5.0
ANSWER_S = 15.0

#: Bytes of the answer that are read: only its status counts.
ANSWER_BYTES = 64 * 1024

GONE_RUN = "The run, or the batch, does not exist any more."


class Sender:
    """Safe for any number of threads. ``http`` is a client of its own: it bounds an attempt by ``ATTEMPT_S``."""

    def __init__(
        self,
        database: Database,
        http: HTTPClient,
        find_sealing: Callable[[], Sealing],
        file_url_of: Callable[[str], FileURL],
        cancellation: Cancellation,
    ) -> None:
        self._database = database
        self._http = http
        self._find_sealing = find_sealing
        #: Signs files of an app, by its id.
        self._file_url_of = file_url_of
        #: Ends attempts when the worker does.
        self._cancellation = cancellation

    def send(self, delivery: Delivery) -> Attempt:
        """Raises ``StorageUnavailable``, and the signal of the cancellation; failures of the receiver are an ``Attempt``."""
        began = time.monotonic()
        try:
            body = message_of(self._database, delivery, self._file_url_of(delivery.app_id))
            if body is None:
                return Attempt(None, GONE_RUN)
            response = self._post(delivery, body)
        except SealError as error:
            return Attempt(None, f"The message cannot be signed: {error}")
        except ResponseTooLarge as error:
            response = error.details["response"]
        except OutboundError as error:
            return Attempt(None, error.message, milliseconds_since(began))
        return judged(response, milliseconds_since(began))

    def _post(self, delivery: Delivery, body: bytes) -> OutboundResponse:
        secret = open_secret(self._find_sealing(), delivery.app_id, delivery.endpoint_url, delivery.sealed_secret)
        headers = (("Content-Type", "application/json"), *signed_headers(secret, delivery.id, int(time.time()), body))
        request = OutboundRequest(
            "POST",
            delivery.url,
            headers,
            body,
            connect_timeout_s=CONNECT_S,
            read_timeout_s=ANSWER_S,
            write_timeout_s=ANSWER_S,
            follow_redirects=False,
            max_bytes=ANSWER_BYTES,
        )
        return self._http.send(request, self._cancellation)


def judged(response: OutboundResponse, elapsed_ms: int) -> Attempt:
    status = response.status
    if 200 <= status < 300:
        return Attempt(status, None, elapsed_ms)
    hint = " Redirects are not followed." if 300 <= status < 400 else ""
    return Attempt(status, f"The receiver answered {status}.{hint}", elapsed_ms, retry_after_s(response))


def retry_after_s(response: OutboundResponse) -> float:
    """What the header says in seconds; its other form, a date, is left alone."""
    text = response.headers.get("retry-after", "")
    return float(text) if text.isascii() and text.isdecimal() and len(text) < 9 else 0.0


def milliseconds_since(began: float) -> int:
    return round((time.monotonic() - began) * 1000)
