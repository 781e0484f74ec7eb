"""Follow a run that somebody else started, or go on where a connection broke (api-contract.md section 2.14)."""

from __future__ import annotations

import json
from contextlib import ExitStack

from flask import Response, request

from app.auth import require_workflow_app
from app.body import required_user
from app.errors import APIError, invalid_param
from app.parts import Parts, current_parts
from app.stream.answers import ends_on_pause, open_relay, stream_answer, stream_head, wants_ids
from app.stream.relay import position_now
from app.stream.sse import HEADERS
from app.views.blueprint import EVENT_IDS, LAST_EVENT_ID, APIBlueprint, query
from worker.bus.json_text import dump
from worker.engine.variables import remote_address
from worker.store.events import read_last
from worker.store.readers import ReadableRun, find_readable

blueprint = APIBlueprint("Events", __name__, url_prefix="/v1", description="Events of a run, at any time and from any instance.")

#: How the frames begin that say how a run ended.
ENDINGS = (b'{"event":"workflow_finished",', b'{"event":"error",')


@blueprint.route("/workflow/<run_id>/events")
@blueprint.fails(400, 404, 503)
@blueprint.alt_response(200, content_type="text/event-stream", schema={"type": "string"}, success=True)
@blueprint.asks(
    query("user", "Who started the run.", required=True),
    query("include_state_snapshot", "`true`: from the first event on, instead of from now on.", "boolean"),
    query("continue_on_pause", "`true`: the stream goes on while the run waits for people, and after that.", "boolean"),
    EVENT_IDS,
    LAST_EVENT_ID,
)
def stream_events(run_id: str) -> Response:
    """Follow a run, by its id or its task id"""
    parts = current_parts()
    user = required_user(request.args.get("user"))
    run = readable_run(parts, require_workflow_app().app_id, run_id, user)
    after = last_event_id()
    if request.method == "HEAD":
        return stream_head(run.run_id)
    if after is None and request.args.get("include_state_snapshot") != "true" and not wants_ids(request):
        return follow_from_now(parts, run)
    return replay(parts, run, after or 0)


def readable_run(parts: Parts, app_id: str, run_id: str, user: str) -> ReadableRun:
    with parts.database.read() as session:
        run = find_readable(session, app_id, run_id)
    if run is None or run.is_forgotten or run.user != user:
        raise APIError("not_found", "Workflow run not found")
    return run


def last_event_id() -> int | None:
    """Number in the header of that name; None without one. Raises ``APIError`` for anything but a number."""
    given = request.headers.get("Last-Event-ID", "").strip()
    if not given:
        return None
    if not given.isdecimal() or len(given) > 18:
        raise invalid_param("Last-Event-ID must be the number of an event.", "Last-Event-ID")
    return int(given)


def replay(parts: Parts, run: ReadableRun, after: int) -> Response:
    parts.streams.check_room()
    with ExitStack() as resources:
        subscription = parts.listener.subscribe(run.run_id)
        relay = open_relay(parts, resources, run.run_id, subscription, after=after, ends_on_pause=ends_on_pause(request))
        return stream_answer(parts, resources, relay, run.run_id, run.task_id, with_ids=wants_ids(request))


def follow_from_now(parts: Parts, run: ReadableRun) -> Response:
    if run.status.is_final:
        return last_event_alone(parts, run)
    parts.streams.check_room()
    with ExitStack() as resources:
        subscription = parts.listener.subscribe(run.run_id)
        resources.callback(subscription.close)
        after = position_now(parts.log, run.run_id, run.last_event)
        relay = open_relay(parts, resources, run.run_id, subscription, after=after, ends_on_pause=ends_on_pause(request))
        return stream_answer(parts, resources, relay, run.run_id, run.task_id, with_ids=False)


def last_event_alone(parts: Parts, run: ReadableRun) -> Response:
    """What a finished run answers who did not ask for its history; the task is over, so its id is the run's."""
    with parts.database.read() as session:
        found = read_last(session, run.run_id, ENDINGS)
    if found is None:
        raise APIError("not_found", "Workflow run not found")
    event = {**json.loads(found), "task_id": run.run_id}
    body = b"data: " + dump(event, remote_address) + b"\n\n"
    return Response(body, headers={**HEADERS, "X-Workflow-Run-ID": run.run_id})
