"""A run's relay as an HTTP answer: a stream, or the result when the run has ended (api-contract.md sections 2.1, 4.1 and 4.6)."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

from flask import Request, Response, request

from app.errors import APIError
from app.parts import Parts
from app.schemas.runs import blocking_body, paused_body
from app.stream.history import RunHistory
from app.stream.relay import Relay
from app.stream.sse import HEADERS, EventStream
from worker.bus.ports import LogEntry, SubscriptionPort
from worker.bus.wire import Envelope, encode_error
from worker.engine.variables import remote_address
from worker.store.encoding import dumps

#: Where gunicorn keeps the socket of a request.
SOCKET = "gunicorn.socket"


def open_relay(
    parts: Parts,
    resources: ExitStack,
    run_id: str,
    subscription: SubscriptionPort,
    *,
    after: int = 0,
    is_new: bool = False,
    is_call: bool = False,
    ends_on_pause: bool = True,
    ping_interval_s: float = 0.0,
) -> Relay:
    """A relay that ``resources`` closes."""
    relay = Relay(
        run_id,
        subscription,
        parts.log,
        RunHistory(parts.database, run_id),
        after=after,
        is_new=is_new,
        ends_on_pause=ends_on_pause,
        ping_interval_s=ping_interval_s or parts.api.ping_interval_s,
    )
    resources.callback(relay.close)
    parts.streams.add(relay, is_call=is_call)
    resources.callback(parts.streams.remove, relay)
    return relay


def stream_answer(parts: Parts, resources: ExitStack, relay: Relay, run_id: str, task_id: str, *, with_ids: bool) -> Response:
    """Takes over ``resources``: they are closed when the stream ends, or its client leaves."""
    resources.callback(bound_sending(request, parts.api.send_timeout_s))
    body = EventStream(relay, error_encoder(run_id, task_id), resources.pop_all(), with_ids=with_ids)
    return Response(body, headers={**HEADERS, "X-Workflow-Run-ID": run_id})


def stream_head(run_id: str) -> Response:
    """The headers of a stream, for HEAD."""
    return Response(headers={**HEADERS, "X-Workflow-Run-ID": run_id})


def wants_ids(asked: Request) -> bool:
    """Whether the client understands ``id:`` lines: without being asked for, they break some."""
    return asked.args.get("event_ids") == "true" or "Last-Event-ID" in asked.headers


def ends_on_pause(asked: Request) -> bool:
    """Whether the stream ends where its run begins to wait for people (api-contract.md section 2.14)."""
    return asked.args.get("continue_on_pause") != "true"


def bound_sending(asked: Request, timeout_s: float) -> Callable[[], None]:
    """Cut off a client that stops reading; answers how to undo it, since the connection may serve other requests later."""
    socket = asked.environ.get(SOCKET)
    if socket is None:
        return lambda: None
    socket.settimeout(timeout_s)
    return lambda: socket.settimeout(None)


def error_encoder(run_id: str, task_id: str) -> Callable[[APIError], bytes]:
    envelope = Envelope(run_id, task_id, "", 0, "", "", remote_address)
    return lambda error: encode_error(error.code, error.message, error.status, envelope)


def blocking_answer(parts: Parts, relay: Relay, run_id: str, task_id: str, workflow_id: str) -> Response:
    """Waits until the run has ended or waits for people.

    Raises ``APIError`` where the run could not be executed as a whole, or this process must end.
    """
    last = wait_for_end(relay, gives_up=parts.api.blocking_max_wait_s > 0)
    if last is not None:
        return json_answer(outcome_body(last_event(last.frame), workflow_id), 200)
    if relay.is_released:
        raise APIError("service_unavailable", f"This instance is shutting down; the run goes on: GET /v1/workflows/run/{run_id}")
    return json_answer({"task_id": task_id, "workflow_run_id": run_id}, 202)


def wait_for_end(relay: Relay, *, gives_up: bool) -> LogEntry | None:
    """The event that ends or pauses the run; None if the relay ended before, or a keep-alive was due and the caller ``gives_up`` then.

    The relay may learn only afterwards that the event it handed out was the last one: SQL is asked whether the run is over before it is
    asked for the events.
    """
    last = None
    for entry in relay:
        if entry is None and gives_up:
            return None
        last = entry or last
    return last if relay.has_ended else None


def last_event(frame: bytes) -> dict[str, Any]:
    """The event of a frame. Raises ``APIError`` for an ``error`` event, which would have been an HTTP error (section 4.6)."""
    # The standard library reads integers over 64 bits digit by digit.
    event: dict[str, Any] = json.loads(frame)
    if event["event"] == "error":
        raise APIError(event["code"], event["message"], status=event["status"])
    return event


def outcome_body(event: dict[str, Any], workflow_id: str) -> dict[str, Any]:
    return paused_body(event, workflow_id) if event["event"] == "workflow_paused" else blocking_body(event)


def json_answer(body: dict[str, Any], status: int) -> Response:
    return Response(dumps(body).lstrip(), status, content_type="application/json; charset=utf-8")
