"""From a request to the address of a webhook trigger to the run that it begins."""

from __future__ import annotations

import io
from typing import Any, BinaryIO, cast

import orjson
from flask import Request, Response
from werkzeug.datastructures import FileStorage

from app.admission import Permit
from app.body import MAX_DEPTH, is_too_deep, refuse_compression
from app.config import MEGABYTE
from app.errors import APIError, invalid_param
from app.parts import Parts
from app.published import PublishedWorkflow
from app.uploads import check_name, file_size
from worker.engine.values import File
from worker.engine.webhook_request import (
    BINARY,
    DEFAULT_ANSWER,
    FORM,
    JSON,
    MULTIPART,
    WebhookConfig,
    WebhookRefused,
    checked_headers,
    checked_json,
    checked_raw,
    checked_texts,
)
from worker.store.end_users import ensure_end_user
from worker.store.files import to_file
from worker.store.limits import Bounds, RunLimits, bounds_of
from worker.store.new_runs import make_run
from worker.store.runs import NewRun
from worker.store.webhook_triggers import TriggeredApp, find_by_token, note_use

#: ``sys.user_id`` of its runs, and what their logs say of their origin.
USER = "webhook"
TRIGGERED_FROM = "webhook"

#: Methods whose requests have a body.
WITH_BODY = frozenset({"POST", "PUT", "PATCH", "DELETE"})

#: Statuses whose answers have no body.
BARE = frozenset({204, 205, 304})


class WrongMethod(APIError):
    """With the header ``Allow`` (app/errors.py)."""

    def __init__(self, config: WebhookConfig, method: str) -> None:
        super().__init__("method_not_allowed", f"The webhook takes {config.method} requests, not {method}.")
        self.valid_methods = (config.method,)


def accept_call(parts: Parts, token: str, request: Request) -> Response:
    """Begin the run and answer as the trigger says, without waiting for it.

    Raises ``APIError``: 404 for an address that leads nowhere, 403, 405, 415, 400 for what the trigger does not take, 413, 429, 503.
    """
    app, workflow, config = target_of(parts, token)
    check_kind(config, request)
    bounds = bounds_of(parts.config, app.app_id, None, app.app_limits, RunLimits())
    with parts.admission.admit_within(bounds) as permit:
        begin(parts, app, workflow, config, request, bounds, permit)
    parts.database.transact(lambda session: note_use(session, app.trigger_id))
    return configured_answer(config)


def target_of(parts: Parts, token: str) -> tuple[TriggeredApp, PublishedWorkflow, WebhookConfig]:
    """What an address stands for. Raises ``APIError``."""
    unknown = APIError("not_found", "There is no webhook at this address.")
    with parts.database.read() as session:
        app = find_by_token(session, token)
    if app is None:
        raise unknown
    if app.status != "normal" or not app.api_enabled:
        raise APIError("forbidden", "The app's API service has been disabled.")
    workflow = parts.published.find(app.app_id, app.workflow_id) if app.workflow_id else None
    if workflow is None or app.node_id not in workflow.webhooks:
        raise unknown
    return app, workflow, workflow.webhooks[app.node_id]


def check_kind(config: WebhookConfig, request: Request) -> None:
    """Raises ``APIError`` for another method, or another content type than the trigger is for."""
    if request.method != config.method:
        raise WrongMethod(config, request.method)
    refuse_compression(request)
    if request.method in WITH_BODY and request.mimetype != config.content_type:
        sent = request.mimetype or "none"
        raise APIError("unsupported_media_type", f"The webhook takes the content type {config.content_type}, not {sent}.")


def begin(
    parts: Parts,
    app: TriggeredApp,
    workflow: PublishedWorkflow,
    config: WebhookConfig,
    request: Request,
    bounds: Bounds | None,
    permit: Permit,
) -> None:
    end_user_id = parts.database.transact(lambda session: ensure_end_user(session, app.app_id, USER))
    data = webhook_data(parts, app.app_id, end_user_id, config, request)
    run = webhook_run(parts, app, workflow, end_user_id, data, bounds)
    parts.intake.accept(run).subscription.close()
    permit.is_used = True


def webhook_run(
    parts: Parts, app: TriggeredApp, workflow: PublishedWorkflow, end_user_id: str, data: dict[str, Any], bounds: Bounds | None
) -> NewRun:
    inputs = {"webhook_data": data, "sys.files": []}
    origin = {"triggered_from": TRIGGERED_FROM, "trigger_id": app.node_id}
    return make_run(parts.config, USER, end_user_id, workflow, inputs, timestamp_s=None, bounds=bounds, **origin)


def webhook_data(parts: Parts, app_id: str, end_user_id: str, config: WebhookConfig, request: Request) -> dict[str, Any]:
    """The request as the trigger's node reads it (worker/nodes/trigger_webhook.py); uploads are kept last, when all else is right.

    Raises ``APIError``.
    """
    request.max_content_length = body_limit(parts, config)
    try:
        headers = checked_headers(config.headers, dict(request.headers))
        params = checked_texts(config.params, request.args.to_dict(), "parameter")
        uploads = uploads_of(parts, config, request)
        body = body_of(parts, config, request)
    except WebhookRefused as error:
        raise invalid_param(str(error), error.name) from error
    files = {name: keep(parts, app_id, end_user_id, upload) for name, upload in uploads.items()}
    if isinstance(upload := body.get("raw"), FileStorage):
        body = {"raw": keep(parts, app_id, end_user_id, upload)}
    return {"method": request.method, "headers": headers, "query_params": params, "body": body, "files": files}


def body_limit(parts: Parts, config: WebhookConfig) -> int:
    if config.content_type == MULTIPART:
        return parts.api.largest_upload_bytes
    return (parts.api.file_size_limit if config.content_type == BINARY else parts.api.max_body_mb) * MEGABYTE


def body_of(parts: Parts, config: WebhookConfig, request: Request) -> dict[str, Any]:
    """Fields, or ``raw``: a text, or an upload that is still to be kept. Raises ``WebhookRefused``, ``APIError``."""
    if request.method not in WITH_BODY:
        return {}
    if config.content_type == JSON:
        return checked_json(config.body, parsed(request.get_data(cache=False)))
    if config.content_type in (FORM, MULTIPART):
        texts = tuple(item for item in config.body if item.type != "file")
        return checked_texts(texts, request.form.to_dict(), "field")
    content = request.get_data(cache=False)
    if config.content_type == BINARY:
        whole = FileStorage(io.BytesIO(content), filename="webhook.bin", content_type=BINARY) if content else None
        return checked_raw(config.body, whole)
    return checked_raw(config.body, content.decode("utf-8", "replace"))


def parsed(text: bytes) -> Any:
    """Raises ``APIError``. Nothing at all is an empty object."""
    try:
        value = orjson.loads(text) if text.strip() else {}
    except orjson.JSONDecodeError as error:
        raise APIError("bad_request", f"The body is no JSON: {error}.") from error
    if is_too_deep(value):
        raise APIError("bad_request", f"The request body is nested deeper than {MAX_DEPTH} levels.")
    return value


def uploads_of(parts: Parts, config: WebhookConfig, request: Request) -> dict[str, FileStorage]:
    """Files by field, those that the trigger declares. Raises ``WebhookRefused``, ``APIError`` for a file that may not be kept."""
    if config.content_type != MULTIPART or request.method not in WITH_BODY:
        return {}
    found = {}
    for item in config.files:
        upload = request.files.get(item.name)
        if upload is None or not upload.filename:
            if item.is_required:
                raise WebhookRefused(f"The file {item.name} is required.", item.name)
            continue
        check_name(upload, parts.api)
        file_size(upload, parts.api)
        found[item.name] = upload
    return found


def keep(parts: Parts, app_id: str, end_user_id: str, upload: FileStorage) -> File:
    size = file_size(upload, parts.api)
    content = cast("BinaryIO", upload.stream)
    return to_file(parts.files.upload(app_id, end_user_id, str(upload.filename), upload.mimetype or BINARY, size, content))


def configured_answer(config: WebhookConfig) -> Response:
    """Status and body of the node: JSON as it stands there, any other text as ``{"message": text}``."""
    if config.status_code in BARE:
        return Response(status=config.status_code)
    text = config.response_body.strip()
    body = text.encode() if is_json_container(text) else orjson.dumps({"message": config.response_body} if text else DEFAULT_ANSWER)
    return Response(body, config.status_code, mimetype="application/json")


def is_json_container(text: str) -> bool:
    try:
        return isinstance(orjson.loads(text), dict | list)
    except orjson.JSONDecodeError:
        return False
