"""Runs on the wire (api-contract.md sections 2.1 to 2.4)."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from marshmallow import EXCLUDE, Schema, fields, validate

from app.enqueue import Accepted
from app.schemas.fields import EpochSeconds, ErrorTexts, JSONText, RFC822Date
from worker.engine.events import RunStatus
from worker.store.webhooks import RUN_EVENTS

REQUIRED = "is required"
NO_OBJECT: ErrorTexts = {"required": REQUIRED, "null": "must be an object", "invalid": "must be an object"}

_STATUSES = "`running`, `paused`, `succeeded`, `failed`, `stopped` or `partial-succeeded`."


class ResponseMode(StrEnum):
    """How a run request is answered."""

    #: With the result, when the run has ended.
    BLOCKING = "blocking"
    #: With its events as they happen.
    STREAMING = "streaming"
    #: At once, with its ids; the one mode that Dify does not have.
    ASYNC = "async"


_MODES = "must be 'streaming', 'blocking' or 'async'"


class WebhookRequest(Schema):
    """Who is to be told of the run, besides the endpoints of the app."""

    class Meta:
        unknown = EXCLUDE

    error_messages = {"type": "must be an object"}  # noqa: RUF012, as marshmallow declares it

    url = fields.String(
        required=True,
        error_messages={"required": REQUIRED, "null": "must be a text", "invalid": "must be a text"},
        metadata={"description": "Where signed messages are posted to.", "example": "https://receiver.example/penstock"},
    )
    events = fields.List(
        fields.String(validate=validate.OneOf(RUN_EVENTS, error=f"must be one of {', '.join(RUN_EVENTS)}")),
        allow_none=True,
        load_default=None,
        error_messages={"invalid": "must be an array of event names"},
        metadata={"description": "Which events it wants; all without this."},
    )


class RunRequest(Schema):
    class Meta:
        unknown = EXCLUDE

    inputs = fields.Dict(
        required=True,
        error_messages=NO_OBJECT,
        metadata={"description": "A value for each variable of the start form.", "example": {"query": "hello"}},
    )
    response_mode = fields.String(
        allow_none=True,
        load_default=None,
        validate=validate.OneOf(list(ResponseMode), error=_MODES),
        error_messages={"invalid": _MODES},
        metadata={
            "description": "`streaming` answers with Server-Sent Events, `blocking` (the default) when the run has ended, `async` at once."
        },
    )
    user = fields.Raw(
        required=True, metadata={"type": "string", "description": "Your name for the end user, unique in the app.", "example": "abc-123"}
    )
    files = fields.List(
        fields.Dict(error_messages=NO_OBJECT),
        allow_none=True,
        load_default=None,
        error_messages={"invalid": "must be an array of file objects"},
        metadata={"description": "Files beside the form: `type`, `transfer_method`, and `url` or `upload_file_id`."},
    )
    trace_id = fields.Raw(
        load_default=None, metadata={"type": "string", "description": "Your id for tracing: 1 to 128 of `[A-Za-z0-9_-]`."}
    )
    webhook = fields.Nested(
        WebhookRequest,
        allow_none=True,
        load_default=None,
        metadata={"description": "Tell this address when the run has ended, or waits for people."},
    )
    trace_session_id = fields.Raw(load_default=None, metadata={"type": "string", "description": "Accepted for compatibility."})


class ResumeRequest(RunRequest):
    """What a run request says, but for what the run has been given already."""

    class Meta:
        unknown = EXCLUDE
        exclude = ("inputs", "files", "trace_session_id")

    workflow_id = fields.String(
        allow_none=True,
        load_default=None,
        error_messages={"invalid": "must be a text"},
        metadata={
            "description": "Id of another published version to go on with, or `latest` for the current one. Its own one without this."
        },
    )


class UserRequest(Schema):
    """What a stop request says."""

    user = fields.Raw(required=True, metadata={"type": "string", "description": "The `user` that started the run.", "example": "abc-123"})


class RunOutcome(Schema):
    id = fields.UUID(required=True)
    workflow_id = fields.UUID(required=True)
    status = fields.String(required=True, metadata={"description": _STATUSES, "example": "succeeded"})
    outputs = fields.Dict(required=True)
    error = fields.String(required=True, allow_none=True)
    elapsed_time = fields.Float(required=True, metadata={"description": "Seconds."})
    total_tokens = fields.Integer(required=True)
    total_steps = fields.Integer(required=True)
    created_at = fields.Integer(required=True, metadata={"description": "Unix seconds."})
    finished_at = fields.Integer(
        required=True, allow_none=True, metadata={"description": "Unix seconds; null if the run waits for people."}
    )
    paused_nodes = fields.List(fields.String(), metadata={"description": "Only of a paused run: ids of the nodes that wait."})
    reasons = fields.List(
        fields.Dict(), metadata={"description": "Only of a paused run: the forms that it waits for, as in `human_input_required`."}
    )


class BlockingResponse(Schema):
    """The answer of a blocking run, whatever became of the run."""

    workflow_run_id = fields.UUID(required=True)
    task_id = fields.UUID(required=True, metadata={"description": "For the stop endpoint."})
    data = fields.Nested(RunOutcome, required=True)


#: Fields of every outcome, and those of a pause.
OUTCOME = tuple(name for name, field in RunOutcome().fields.items() if field.required)
PAUSE = tuple(name for name, field in RunOutcome().fields.items() if not field.required)


def blocking_body(finished: Mapping[str, Any]) -> dict[str, Any]:
    """``BlockingResponse`` of a ``workflow_finished`` event: its fields, and no others (some clients refuse them)."""
    data = finished["data"]
    return {
        "task_id": finished["task_id"],
        "workflow_run_id": finished["workflow_run_id"],
        "data": {name: data[name] for name in OUTCOME},
    }


class AcceptedRun(Schema):
    id = fields.UUID(required=True)
    workflow_id = fields.UUID(required=True)
    status = fields.String(required=True, metadata={"description": "Always `running`.", "example": "running"})
    created_at = fields.Integer(required=True, metadata={"description": "Unix seconds."})


def paused_body(paused: Mapping[str, Any], workflow_id: str) -> dict[str, Any]:
    """``BlockingResponse`` of a ``workflow_paused`` event."""
    run_id = paused["workflow_run_id"]
    known = {**paused["data"], "id": run_id, "workflow_id": workflow_id, "error": None, "finished_at": None}
    data = {name: known[name] for name in (*OUTCOME, *PAUSE)}
    return {"task_id": paused["task_id"], "workflow_run_id": run_id, "data": data}


class RunIds(Schema):
    """What to find a run by that has not ended yet.

    With `response_mode` `async`, and without `data` for a blocking call that a deployment does not let wait any longer.
    """

    workflow_run_id = fields.UUID(required=True, metadata={"description": "For `GET /v1/workflows/run/{id}` and the events."})
    task_id = fields.UUID(required=True, metadata={"description": "For the stop endpoint."})
    data = fields.Nested(AcceptedRun)


def accepted_body(run: Accepted) -> dict[str, Any]:
    """``RunIds`` of a run that was just accepted; the same whenever it is asked for (section 2.3 on ``scheduled``)."""
    data = {
        "id": run.run_id,
        "workflow_id": run.workflow_id,
        "status": RunStatus.RUNNING,
        "created_at": int(run.created_at),
    }
    return {"task_id": run.task_id, "workflow_run_id": run.run_id, "data": data}


class RunDetail(Schema):
    id = fields.String(attribute="run_id", required=True)
    workflow_id = fields.String(required=True)
    status = fields.String(required=True, metadata={"description": _STATUSES})
    inputs = fields.String(required=True, metadata={"description": "JSON text of the inputs and the `sys.*` variables."})
    outputs = fields.Dict(required=True)
    error = fields.String(required=True, allow_none=True)
    total_steps = fields.Integer(required=True)
    total_tokens = fields.Integer(required=True)
    created_at = EpochSeconds(required=True, metadata={"description": "Unix seconds."})
    finished_at = EpochSeconds(required=True, allow_none=True, metadata={"description": "Unix seconds; null while the run is not over."})
    elapsed_time = fields.Float(required=True, metadata={"description": "Seconds."})


class LegacyRunDetail(RunDetail):
    """The same as of November 2024 (section 2.3)."""

    outputs = JSONText(required=True, allow_none=True)  # type: ignore[assignment]
    created_at = RFC822Date(required=True)  # type: ignore[assignment]
    finished_at = RFC822Date(required=True, allow_none=True)  # type: ignore[assignment]


class StopResponse(Schema):
    result = fields.String(required=True, metadata={"example": "success"})
