"""Runs on the wire (api-contract.md sections 2.1 to 2.4)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from marshmallow import EXCLUDE, Schema, fields, validate

from app.schemas.fields import EpochSeconds, ErrorTexts, JSONText, RFC822Date

REQUIRED = "is required"
NO_OBJECT: ErrorTexts = {"required": REQUIRED, "null": "must be an object", "invalid": "must be an object"}

_STATUSES = "`running`, `succeeded`, `failed`, `stopped` or `partial-succeeded`."


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
        validate=validate.OneOf(["streaming", "blocking"], error="must be 'streaming' or 'blocking'"),
        error_messages={"invalid": "must be 'streaming' or 'blocking'"},
        metadata={"description": "`streaming` answers with Server-Sent Events, `blocking` (the default) when the run has ended."},
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
    trace_session_id = fields.Raw(load_default=None, metadata={"type": "string", "description": "Accepted for compatibility."})


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
    finished_at = fields.Integer(required=True, metadata={"description": "Unix seconds."})


class BlockingResponse(Schema):
    """The answer of a blocking run, whatever became of the run."""

    workflow_run_id = fields.UUID(required=True)
    task_id = fields.UUID(required=True, metadata={"description": "For the stop endpoint."})
    data = fields.Nested(RunOutcome, required=True)


OUTCOME = tuple(RunOutcome().fields)


def blocking_body(finished: Mapping[str, Any]) -> dict[str, Any]:
    """``BlockingResponse`` of a ``workflow_finished`` event: its fields, and no others (some clients refuse them)."""
    data = finished["data"]
    return {
        "task_id": finished["task_id"],
        "workflow_run_id": finished["workflow_run_id"],
        "data": {name: data[name] for name in OUTCOME},
    }


class RunIds(Schema):
    """The answer of a blocking call that a deployment does not let wait any longer."""

    workflow_run_id = fields.UUID(required=True)
    task_id = fields.UUID(required=True)


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
