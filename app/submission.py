"""A run request from its body to what is stored (api-contract.md section 2.1, "Order of checks"): steps 2 to 9."""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from flask import Request
from marshmallow import Schema

from app.admission import bounds_for
from app.auth import caller, require_workflow_app
from app.body import json_object, required_user
from app.errors import APIError, invalid_param
from app.idempotency import submission_of
from app.parts import Parts
from app.published import PublishedWorkflow
from app.schemas.fields import load
from app.schemas.runs import ResponseMode
from app.webhooks import provide_secret, webhook_of
from worker.engine.features import SpeechFeature
from worker.json_schema import mismatch
from worker.store.end_users import ensure_end_user, look_up_end_user
from worker.store.idempotency import Submission
from worker.store.keys import KeyedApp
from worker.store.new_runs import make_run
from worker.store.releases import find_alias
from worker.store.runs import NewRun
from worker.store.webhooks import RunWebhook

TRACE_ID = re.compile(r"[A-Za-z0-9_-]{1,128}")
TRACEPARENT = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}")


@dataclass(frozen=True, slots=True)
class Order:
    """A request whose form is right; whether the workflow can take it is still open."""

    app: KeyedApp
    user: str
    end_user_id: str
    #: The body, by the names of its schema.
    fields: dict[str, Any]
    mode: ResponseMode
    trace_id: str | None
    #: The request as its idempotency key names it.
    submission: Submission | None
    webhook: RunWebhook | None

    @property
    def is_streaming(self) -> bool:
        return self.mode is ResponseMode.STREAMING


def read_order(parts: Parts, request: Request, schema: Schema) -> Order:
    """Steps 2 to 5; the end user is stored, whatever comes after. Raises ``APIError``."""
    body = json_object(request)
    user = required_user(body.get("user"))
    end_user_id = end_user(parts, user)
    app = require_workflow_app()
    fields = load(schema, body)
    return Order(
        app=app,
        user=user,
        end_user_id=end_user_id,
        fields=fields,
        mode=ResponseMode(fields["response_mode"] or ResponseMode.BLOCKING),
        trace_id=trace_id(request, fields["trace_id"]),
        submission=submission_of(request, app.app_id, body),
        webhook=webhook_of(fields["webhook"]),
    )


def end_user(parts: Parts, user: str | None) -> str:
    """Id of the caller's end user, made on first use: only then does the request wait for its turn to write."""
    app_id = caller().app_id
    known = look_up_end_user(parts.database, app_id, user)
    return known or parts.database.transact(lambda session: ensure_end_user(session, app_id, user))


def trace_id(request: Request, in_body: Any) -> str | None:
    """The first of four places that holds a valid one; anything else is ignored."""
    parent = TRACEPARENT.fullmatch(request.headers.get("Traceparent", ""))
    candidates = (request.headers.get("X-Trace-Id"), request.args.get("trace_id"), in_body, parent[1] if parent else None)
    return next((text for text in candidates if isinstance(text, str) and TRACE_ID.fullmatch(text)), None)


def choose_workflow(parts: Parts, app: KeyedApp, version: str | None) -> PublishedWorkflow:
    """Step 7: the current version, or the one named. Raises ``APIError``, ``GraphError``."""
    found = current_workflow(parts, app) if version is None else named_workflow(parts, app, version)
    if not found.has_start:
        raise invalid_param("The workflow has no start node: only its triggers can begin a run.")
    return found


def current_workflow(parts: Parts, app: KeyedApp) -> PublishedWorkflow:
    found = parts.published.find(app.app_id, app.workflow_id) if app.workflow_id else None
    if found is None:
        raise invalid_param("Workflow not published")
    return found


def named_workflow(parts: Parts, app: KeyedApp, version: str) -> PublishedWorkflow:
    """A version by its id or, an extension to the contract, by an alias: what the alias stands for now."""
    try:
        workflow_id = str(uuid.UUID(version))
    except ValueError as error:
        with parts.database.read() as session:
            alias = find_alias(session, app.app_id, version)
        if alias is None:
            raise APIError("bad_request", f"Invalid workflow_id format: '{version}'. ") from error
        workflow_id = alias.workflow_id
    found = parts.published.find(app.app_id, workflow_id)
    if found is None:
        raise APIError("not_found", f"Workflow not found with id: {version}")
    return found


def new_run(parts: Parts, order: Order, workflow: PublishedWorkflow) -> NewRun:
    """Steps 8 and 9: files and inputs against the form. Raises ``FormError``, and ``APIError`` for a webhook that cannot be signed."""
    resolve = parts.files.references(order.app.app_id, order.end_user_id)
    files = workflow.form.prepare_files(order.fields["files"], resolve)
    values = workflow.form.prepare(order.fields["inputs"], resolve, mismatch)
    return ordered_run(parts, order, workflow, {**values, "sys.files": files})


def ordered_run(parts: Parts, order: Order, workflow: PublishedWorkflow, inputs: Mapping[str, Any], **more: Any) -> NewRun:
    """``make_run`` for a request. Raises ``APIError`` for a webhook that cannot be signed."""
    if order.webhook is not None:
        provide_secret(parts, order.app.app_id)
    return make_run(
        parts.config,
        order.user,
        order.end_user_id,
        workflow,
        inputs,
        trace_id=order.trace_id,
        wants_speech=order.is_streaming and SpeechFeature.of(workflow.features).is_automatic,
        webhook=order.webhook,
        key_id=order.app.key_id,
        bounds=bounds_for(parts.config, order.app),
        **more,
    )
