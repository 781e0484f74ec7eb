"""The log of an app's runs on the wire (api-contract.md section 2.8)."""

from __future__ import annotations

from typing import Any

from marshmallow import EXCLUDE, Schema, fields, validate

from app.schemas.fields import EpochSeconds, ErrorTexts, Moment

STATUSES = ("succeeded", "failed", "stopped")
NO_INTEGER: ErrorTexts = {"invalid": "must be a whole number"}


class LogsQuery(Schema):
    class Meta:
        unknown = EXCLUDE

    keyword = fields.String(load_default=None, metadata={"description": "Part of inputs, outputs or the user's name, or a run id."})
    status = fields.String(load_default=None, validate=validate.OneOf(STATUSES, error="must be 'succeeded', 'failed' or 'stopped'"))
    page = fields.Integer(
        load_default=1, validate=validate.Range(1, 99_999, error="must be between 1 and 99999"), error_messages=NO_INTEGER
    )
    limit = fields.Integer(load_default=20, validate=validate.Range(1, 100, error="must be between 1 and 100"), error_messages=NO_INTEGER)
    created_at__before = Moment(load_default=None)
    created_at__after = Moment(load_default=None)
    created_by_end_user_session_id = fields.String(load_default=None, metadata={"description": "The `user` of the run."})
    created_by_account = fields.String(load_default=None, metadata={"description": "E-mail address of an account."})


class Part(fields.Nested):
    """Attributes of the entry itself as an object of their own."""

    def get_value(self, obj: Any, attr: str, accessor: Any = None, default: Any = None) -> Any:
        return obj


class LoggedRun(Schema):
    id = fields.String(attribute="run_id", required=True)
    version = fields.String(attribute="workflow_version", required=True)
    status = fields.String(required=True)
    triggered_from = fields.String(required=True)
    error = fields.String(required=True, allow_none=True)
    elapsed_time = fields.Float(required=True)
    total_tokens = fields.Integer(required=True)
    total_steps = fields.Integer(required=True)
    created_at = EpochSeconds(required=True)
    finished_at = EpochSeconds(required=True, allow_none=True)
    exceptions_count = fields.Integer(required=True)


class LoggedUser(Schema):
    id = fields.String(attribute="end_user_id", required=True)
    type = fields.Constant("service-api", required=True)
    is_anonymous = fields.Boolean(required=True)
    session_id = fields.String(required=True)


class LogEntry(Schema):
    """One row of the store becomes three objects."""

    id = fields.String(attribute="log_id", required=True)
    workflow_run = Part(LoggedRun, required=True)
    details = fields.Constant(None)
    created_from = fields.Constant("service-api", required=True)
    created_by_role = fields.Constant("end_user", required=True)
    created_by_account = fields.Constant(None)
    created_by_end_user = Part(LoggedUser, required=True)
    created_at = EpochSeconds(required=True)


class LogPage(Schema):
    page = fields.Integer(required=True)
    limit = fields.Integer(required=True)
    total = fields.Integer(required=True)
    has_more = fields.Boolean(required=True)
    data = fields.List(fields.Nested(LogEntry), required=True)
