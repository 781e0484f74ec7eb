"""Batches: many runs of one version that are asked for together (docs/batches.md)."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from typing import Any

from flask import Response, jsonify, request

from app.auth import require_workflow_app
from app.batches.downloads import Render, TableWriter, json_line
from app.batches.progress import Progress, progress_chunks
from app.batches.requests import MULTIPART, accept_request
from app.batches.results import RESULTS, Download, Selection, read_results, result_facts
from app.body import refuse_compression
from app.errors import APIError, invalid_param
from app.idempotency import REPLAYED
from app.parts import Parts, current_parts
from app.published import PublishedWorkflow
from app.schemas.batches import (
    AcceptedBatchView,
    BatchDetail,
    BatchesQuery,
    BatchForm,
    BatchPage,
    BatchRequest,
    BatchView,
    ResultsQuery,
    RetriedBatch,
)
from app.schemas.fields import load
from app.stream.answers import bound_sending
from app.stream.sse import HEADERS, StreamBody
from app.views.blueprint import APIBlueprint, noting
from app.views.runs import IDEMPOTENCY_KEY
from worker.engine.errors import GraphError
from worker.store.batch_controls import cancel_batch, pause_batch, resume_batch, retry_batch
from worker.store.batch_facts import BatchFacts, BatchStatus, ItemStatus, describe, get_batch, list_batches, pace_of
from worker.store.batch_items import ERRORS
from worker.store.errors import NotFound

blueprint = APIBlueprint("Batches", __name__, url_prefix="/v1", description="Many runs of one version, asked for together.")

#: Changes a batch, by app and batch id.
Change = Callable[[Any, str, str], BatchFacts]

BODIES = {"application/json": {"schema": BatchRequest}, MULTIPART: {"schema": BatchForm}}
JSONL_TYPE, CSV_TYPE = "application/jsonl", "text/csv"
TEXT = {"type": "string"}


@blueprint.route("/workflows/batches", methods=["POST"])
@blueprint.fails(400, 409, 413, 415, 422, 500, 503)
@blueprint.response(201, AcceptedBatchView)
@blueprint.asks(IDEMPOTENCY_KEY)
@noting(requestBody={"required": True, "content": BODIES})
def create_batch() -> Response:
    """Submit a batch

    Every item is checked like a run request. Those that do not fit are errors of their own; only if none fits, the batch is refused.
    """
    accepted = accept_request(current_parts(), request)
    answer: Response = jsonify(AcceptedBatchView().dump({**describe(accepted.facts), "errors": accepted.errors, "input": accepted.read_as}))
    answer.status_code = 201
    if accepted.is_replay:
        answer.headers[REPLAYED] = "true"
    return answer


@blueprint.route("/workflows/batches")
@blueprint.fails(400, 503)
@blueprint.response(200, BatchPage)
@blueprint.asks({"in": "query", "schema": BatchesQuery})
def list_all() -> dict[str, Any]:
    """List batches, newest first"""
    app = require_workflow_app()
    asked = load(BatchesQuery(), request.args)
    status = BatchStatus(asked["status"]) if asked["status"] else None
    with current_parts().database.read() as session:
        if asked["after"] is not None and get_batch(session, app.app_id, asked["after"]) is None:
            raise invalid_param("after must be the id of a batch.", "after")
        found = list_batches(session, app.app_id, after=asked["after"], status=status, limit=asked["limit"] + 1)
    page = [describe(batch) for batch in found[: asked["limit"]]]
    ids = [batch["id"] for batch in page]
    return {"data": page, "has_more": len(found) > len(page), "first_id": next(iter(ids), None), "last_id": ids[-1] if ids else None}


@blueprint.route("/workflows/batches/<batch_id>")
@blueprint.fails(400, 404, 503)
@blueprint.response(200, BatchDetail)
def batch_detail(batch_id: str) -> dict[str, Any]:
    """Look at a batch"""
    return detail(current_parts(), require_workflow_app().app_id, batch_id)


def detail(parts: Parts, app_id: str, batch_id: str) -> dict[str, Any]:
    with parts.database.read() as session:
        found = get_batch(session, app_id, batch_id)
        pace = None if found is None else pace_of(session, found)
    if found is None:
        raise not_found()
    return {**describe(found), "pace": pace}


def not_found() -> APIError:
    return APIError("not_found", "Batch not found.")


def find(parts: Parts, batch_id: str) -> BatchFacts:
    """A batch of the caller's app. Raises ``APIError``."""
    app_id = require_workflow_app().app_id
    with parts.database.read() as session:
        found = get_batch(session, app_id, batch_id)
    if found is None:
        raise not_found()
    return found


@blueprint.route("/workflows/batches/<batch_id>/cancel", methods=["POST"])
@blueprint.fails(400, 404, 409, 503)
@blueprint.response(200, BatchView)
def cancel(batch_id: str) -> dict[str, Any]:
    """Cancel a batch: nothing more begins, and what runs is stopped"""
    return change(cancel_batch, batch_id)


@blueprint.route("/workflows/batches/<batch_id>/pause", methods=["POST"])
@blueprint.fails(400, 404, 409, 503)
@blueprint.response(200, BatchView)
def pause(batch_id: str) -> dict[str, Any]:
    """Pause a batch: nothing more begins, and what runs comes to its end"""
    return change(pause_batch, batch_id)


@blueprint.route("/workflows/batches/<batch_id>/resume", methods=["POST"])
@blueprint.fails(400, 404, 409, 503)
@blueprint.response(200, BatchView)
def resume(batch_id: str) -> dict[str, Any]:
    """Go on with a batch that was paused"""
    return change(resume_batch, batch_id)


def change(make: Change, batch_id: str) -> dict[str, Any]:
    app_id = require_workflow_app().app_id
    refuse_compression(request)
    try:
        return describe(current_parts().database.transact(lambda session: make(session, app_id, batch_id)))
    except NotFound as error:
        raise not_found() from error


@blueprint.route("/workflows/batches/<batch_id>/retry", methods=["POST"])
@blueprint.fails(400, 404, 409, 503)
@blueprint.response(200, RetriedBatch)
def retry(batch_id: str) -> dict[str, Any]:
    """Run the items again that failed, were stopped, cancelled or expired"""
    try:
        facts, number = retry_batch(current_parts().database, require_workflow_app().app_id, batch_id)
    except NotFound as error:
        raise not_found() from error
    return {**describe(facts), "retried": number}


@blueprint.route("/workflows/batches/<batch_id>/results")
@blueprint.fails(400, 404, 503)
@blueprint.alt_response(200, content_type=JSONL_TYPE, schema=TEXT, success=True)
@blueprint.alt_response(200, content_type=CSV_TYPE, schema=TEXT, success=True)
@blueprint.asks({"in": "query", "schema": ResultsQuery})
def results(batch_id: str) -> Response:
    """Download the results so far, an item a line: all that have ended, however they ended"""
    return download(batch_id, "results", RESULTS)


@blueprint.route("/workflows/batches/<batch_id>/errors")
@blueprint.fails(400, 404, 503)
@blueprint.alt_response(200, content_type=JSONL_TYPE, schema=TEXT, success=True)
@blueprint.alt_response(200, content_type=CSV_TYPE, schema=TEXT, success=True)
@blueprint.asks({"in": "query", "schema": ResultsQuery})
def errors(batch_id: str) -> Response:
    """Download the items without a result, an item a line: invalid, failed, stopped, cancelled, expired"""
    return download(batch_id, "errors", ERRORS)


def download(batch_id: str, what: str, statuses: frozenset[ItemStatus]) -> Response:
    parts = current_parts()
    asked = load(ResultsQuery(), request.args)
    batch = find(parts, batch_id)
    kind = asked["format"] or ("csv" if request.accept_mimetypes.best_match([JSONL_TYPE, CSV_TYPE]) == CSV_TYPE else "jsonl")
    answer = Response(content_type=f"{CSV_TYPE if kind == 'csv' else JSONL_TYPE}; charset=utf-8")
    answer.headers["Content-Disposition"] = f'attachment; filename="batch-{batch.id}-{what}.{kind}"'
    answer.headers["X-Accel-Buffering"] = "no"
    if request.method != "HEAD":
        wanted = Selection(batch.app_id, batch.id, statuses, asked["order"] == "finished", asked["after"])
        answer.response = content(parts, batch, wanted, *renderer(parts, batch, kind, asked))
    return answer


def renderer(parts: Parts, batch: BatchFacts, kind: str, asked: dict[str, Any]) -> tuple[bytes, Render]:
    """What the answer begins with, and how it goes on. A table that goes on has its header already."""
    if kind == "jsonl":
        return b"", json_line
    workflow = version_of(parts, batch)
    table = TableWriter(workflow.output_names if workflow else (), asked["spreadsheet"])
    return b"" if asked["after"] else table.head(), table.row


def version_of(parts: Parts, batch: BatchFacts) -> PublishedWorkflow | None:
    """None: it is gone, or this release cannot read it any more."""
    try:
        return parts.published.find(batch.app_id, batch.workflow_id)
    except (GraphError, APIError):
        return None


def content(parts: Parts, batch: BatchFacts, wanted: Selection, head: bytes, render: Render) -> Download:
    parts.streams.check_room()
    resources = ExitStack()
    sign = partial(result_facts, as_ended=wanted.as_ended, file_url=parts.files.addresses_here(batch.app_id))
    body = Download(head, lambda: map(sign, read_results(parts.database, wanted)), render, resources)
    parts.streams.add(body)
    resources.callback(parts.streams.remove, body)
    resources.callback(bound_sending(request, parts.api.send_timeout_s))
    return body


@blueprint.route("/workflows/batches/<batch_id>/events")
@blueprint.fails(400, 404, 503)
@blueprint.alt_response(200, content_type="text/event-stream", schema=TEXT, success=True)
def stream_progress(batch_id: str) -> Response:
    """Follow a batch: its counts whenever they change, until it has ended"""
    parts = current_parts()
    batch = find(parts, batch_id)
    if request.method == "HEAD":
        return Response(headers=HEADERS)
    parts.streams.check_room()
    progress = Progress(partial(look, parts, batch.app_id, batch.id), parts.api.ping_interval_s)
    resources = ExitStack()
    parts.streams.add(progress)
    resources.callback(parts.streams.remove, progress)
    resources.callback(bound_sending(request, parts.api.send_timeout_s))
    return Response(StreamBody(progress_chunks(progress), resources), headers=HEADERS)


def look(parts: Parts, app_id: str, batch_id: str) -> tuple[Any, dict[str, Any], bool]:
    """``progress.Look`` at a batch. Raises ``APIError`` if it is gone."""
    found = detail(parts, app_id, batch_id)
    return (found["status"], found["counts"]), BatchDetail().dump(found), BatchStatus(found["status"]).is_final
