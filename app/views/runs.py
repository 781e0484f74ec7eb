"""Run a workflow, look at a run, stop it (api-contract.md sections 2.1 to 2.4)."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace

from flask import Response, jsonify, request
from marshmallow import Schema

from app.auth import require_workflow_app
from app.body import json_object, required_user
from app.enqueue import Accepted
from app.errors import APIError, Refused
from app.idempotency import HEADER, MAX_LENGTH, REPLAYED, earlier_run
from app.parts import Parts, current_parts
from app.resuming import resumed_run
from app.schemas.runs import (
    BlockingResponse,
    LegacyRunDetail,
    ResponseMode,
    ResumeRequest,
    RunDetail,
    RunIds,
    RunRequest,
    StopResponse,
    UserRequest,
    accepted_body,
)
from app.stopping import stop_as
from app.stream.answers import blocking_answer, json_answer, open_relay, stream_answer, wants_ids
from app.submission import Order, choose_workflow, new_run, read_order
from app.views.blueprint import EVENT_IDS, APIBlueprint, View, header
from worker.engine.variables import FILE_IDENTITY, FileURL, sign_files
from worker.store.encoding import dumps, loads
from worker.store.errors import TooManyRuns
from worker.store.runs import NewRun, get_run
from worker.store.runs import RunDetail as StoredRun

blueprint = APIBlueprint("Runs", __name__, url_prefix="/v1", description="Run the app's workflow, follow its runs, stop them.")

RUN_REQUEST = RunRequest()
RESUME_REQUEST = ResumeRequest()

#: Value of the header ``X-Dify-Compat`` that asks for run details as they were then.
LEGACY = "2024-11"

STREAM = "Server-Sent Events: one `data: {json}` per event of the run, `event: ping` every 10 seconds."

ACCEPTED = "With `response_mode` `async`; or the run takes longer than this deployment lets a blocking call wait."

IDEMPOTENCY_KEY = header(
    HEADER,
    f"1 to {MAX_LENGTH} characters: for 24 hours, the same request with the same key finds the run that it made, instead of a new one.",
)


def answering_run(body: type[Schema], *fails: int) -> Callable[[View], View]:
    """Documents a view that answers with a run, in each of the ways in which a request may want that."""

    notes: tuple[Callable[[View], View], ...] = (
        blueprint.takes(body),
        blueprint.asks(EVENT_IDS, IDEMPOTENCY_KEY),
        blueprint.response(200, BlockingResponse),
        blueprint.alt_response(200, content_type="text/event-stream", schema={"type": "string"}, description=STREAM, success=True),
        blueprint.alt_response(202, schema=RunIds, description=ACCEPTED),
        blueprint.fails(400, 409, 413, 415, 422, 429, 500, 503, *fails),
    )

    def decorate(view: View) -> View:
        for note in notes:
            view = note(view)
        return view

    return decorate


@blueprint.route("/workflows/run", methods=["POST"])
@answering_run(RunRequest)
def run_workflow() -> Response:
    """Run the current version

    Validates everything before it answers; a workflow that fails is a 200 with `status` `failed`.
    """
    return run(None)


@blueprint.route("/workflows/<version_id>/run", methods=["POST"])
@answering_run(RunRequest, 404)
def run_version(version_id: str) -> Response:
    """Run one published version, by its id"""
    return run(version_id)


@blueprint.route("/workflows/run/<run_id>/resume", methods=["POST"])
@answering_run(ResumeRequest, 404)
def resume_run(run_id: str) -> Response:
    """Go on from a run that failed or was stopped

    Makes a new run, which takes over what is done and executes the rest.
    """
    return submit(RESUME_REQUEST, lambda parts, order: resumed_run(parts, order, run_id))


def run(version_id: str | None) -> Response:
    return submit(RUN_REQUEST, lambda parts, order: new_run(parts, order, choose_workflow(parts, order.app, version_id)))


def submit(schema: Schema, make: Callable[[Parts, Order], NewRun]) -> Response:
    """Accept a run, or find the one that an earlier request with the same key made, and answer as the request wants it."""
    parts = current_parts()
    order = read_order(parts, request, schema)
    if order.mode is not ResponseMode.ASYNC:
        parts.streams.check_room()
    accepted = earlier_run(parts, order.submission) or begin_or_join(parts, order, make)
    with ExitStack() as resources:
        response = answer(parts, order, accepted, resources)
    if accepted.is_replay:
        response.headers[REPLAYED] = "true"
    return response


def begin_or_join(parts: Parts, order: Order, make: Callable[[Parts, Order], NewRun]) -> Accepted:
    """Steps 6 to 10. Raises ``Refused`` or ``TooManyRuns`` if no other run may begin now."""
    try:
        return begin(parts, order, make)
    except (Refused, TooManyRuns):
        # The same request may just have been stored, and have taken the last place: finding its run is no new one.
        joined = earlier_run(parts, order.submission)
        if joined is None:
            raise
        return joined


def begin(parts: Parts, order: Order, make: Callable[[Parts, Order], NewRun]) -> Accepted:
    with parts.admission.admit(order.app) as permit:
        accepted = accept(parts, order, make(parts, order))
        permit.is_used = not accepted.is_replay
    return accepted


def accept(parts: Parts, order: Order, run: NewRun) -> Accepted:
    """Step 10: from here on the run goes its way, whatever becomes of this request."""
    return parts.intake.accept(run) if order.submission is None else parts.intake.accept_once(run, order.submission)


def answer(parts: Parts, order: Order, run: Accepted, resources: ExitStack) -> Response:
    if order.mode is ResponseMode.ASYNC:
        run.subscription.close()
        return json_answer(accepted_body(run), 202)
    relay = open_relay(
        parts,
        resources,
        run.run_id,
        run.subscription,
        is_new=not run.is_replay,
        is_call=not order.is_streaming,
        # A call has no use for keep-alives; the first one due tells it that it has waited long enough.
        ping_interval_s=0.0 if order.is_streaming else parts.api.blocking_max_wait_s,
    )
    if order.is_streaming:
        return stream_answer(parts, resources, relay, run.run_id, run.task_id, with_ids=wants_ids(request))
    return blocking_answer(parts, relay, run.run_id, run.task_id, run.workflow_id)


@blueprint.route("/workflows/run/<run_id>")
@blueprint.fails(400, 404, 503)
@blueprint.response(200, RunDetail)
@blueprint.asks(header("X-Dify-Compat", "`2024-11`: RFC 822 dates, and `outputs` as JSON text."))
def run_detail(run_id: str) -> Response:
    """Look at a run"""
    parts = current_parts()
    app = require_workflow_app()
    with parts.database.read() as session:
        found = get_run(session, app.app_id, run_id)
    if found is None:
        raise APIError("not_found", "Workflow run not found.")
    is_legacy = parts.api.run_detail_legacy or request.headers.get("X-Dify-Compat") == LEGACY
    return jsonify((LegacyRunDetail() if is_legacy else RunDetail()).dump(signed(found, parts.files.addresses_here(app.app_id))))


def signed(run: StoredRun, file_url: FileURL) -> StoredRun:
    """The run with fresh addresses in its files."""
    inputs = dumps(sign_files(loads(run.inputs), file_url)) if FILE_IDENTITY in run.inputs else run.inputs
    return replace(run, inputs=inputs.lstrip(), outputs=sign_files(run.outputs, file_url))


@blueprint.route("/workflows/tasks/<task_id>/stop", methods=["POST"])
@blueprint.fails(400, 413, 415, 503)
@blueprint.response(200, StopResponse)
@blueprint.takes(UserRequest)
def stop_task(task_id: str) -> dict[str, str]:
    """Stop a run

    Always a success: unknown, foreign and finished tasks are left alone.
    """
    return stop(task_id)


@blueprint.route("/workflows/<task_id>/stop", methods=["POST"])
@blueprint.doc(deprecated=True)
@blueprint.fails(400, 413, 415, 503)
@blueprint.response(200, StopResponse)
@blueprint.takes(UserRequest)
def stop_task_at_old_path(task_id: str) -> dict[str, str]:
    """Stop a run, at the path that older clients fall back to"""
    return stop(task_id)


def stop(task_id: str) -> dict[str, str]:
    parts = current_parts()
    user = required_user(json_object(request).get("user"))
    app = require_workflow_app()
    stop_as(parts, app.app_id, task_id, user)
    return {"result": "success"}
