"""Limits, schedules, triggers and batches in the admin API."""

from __future__ import annotations

from typing import Any

from marshmallow import Schema, ValidationError, fields, validate, validates_schema

from app.schemas.admin import AdminSchema, PageOf, PageQuery, Text
from app.schemas.batches import BatchDetail, BatchView
from app.schemas.fields import EpochSeconds, ErrorTexts
from worker.store.batch_facts import BatchStatus

#: Largest number that a column takes.
MOST = 2**31 - 1

NO_NUMBER: ErrorTexts = {"invalid": "must be a whole number or null", "too_large": "must be a whole number or null"}
NO_OBJECT: ErrorTexts = {"invalid": "must be an object", "null": "must be an object"}

SHOWN_STATUSES = tuple(status.value for status in BatchStatus if status is not BatchStatus.VALIDATING)


def limit_field(description: str) -> fields.Integer:
    """A number that may be left out: what is not named stays as it is."""
    in_range = validate.Range(0, MOST, error=f"must be between 0 and {MOST}")
    return fields.Integer(strict=True, allow_none=True, validate=in_range, error_messages=NO_NUMBER, metadata={"description": description})


class LimitChange(AdminSchema):
    max_concurrency = limit_field("Runs that may be open at a time. 0: no limit, null: the deployment's setting counts.")
    max_rate = limit_field("Runs that may begin in a minute.")
    max_burst = limit_field("Of these, how many may begin at once; null: all of them.")

    @validates_schema
    def names_one(self, data: dict[str, Any], **kwargs: Any) -> None:
        if not data:
            raise ValidationError("is required, or another limit", "max_concurrency")


class LimitNumbers(Schema):
    max_concurrency = fields.Integer(required=True, allow_none=True)
    max_rate = fields.Integer(required=True, allow_none=True)
    max_burst = fields.Integer(required=True, allow_none=True)


class LimitView(Schema):
    app_id = fields.String(required=True)
    key_id = fields.String(required=True, allow_none=True, metadata={"description": "Null: these are the app's own."})
    limits = fields.Nested(LimitNumbers, required=True, metadata={"description": "What counts; 0: no limit."})
    stored = fields.Nested(LimitNumbers, required=True, metadata={"description": "What was set; null: nothing."})
    open_runs = fields.Integer(required=True, metadata={"description": "Runs that count for `max_concurrency` now."})


class ScheduleFields(AdminSchema):
    name = Text(most=200, metadata={"description": "To tell schedules apart; the cron expression without it."})
    timezone = Text(most=64, metadata={"description": "IANA time zone whose clock counts; UTC without it.", "example": "Europe/Berlin"})
    inputs = fields.Dict(keys=Text(), error_messages=NO_OBJECT, metadata={"description": "Inputs of the runs, as of a run request."})
    missed = Text(metadata={"description": "Times at which no worker was there: `once`, one late run (the default), `skip` or `all`."})
    overlap = Text(metadata={"description": "While the last run has not ended: `skip` (the default), `wait` or `allow`."})
    user = Text(metadata={"description": "The user in whose name it runs; `schedule` without it."})


CRON = {"description": "Five fields, or a name such as `@daily`.", "example": "30 9 * * 1-5"}


class ScheduleOrderFields(ScheduleFields):
    cron = Text(required=True, metadata=CRON)


class ScheduleChange(ScheduleFields):
    cron = Text(metadata=CRON)


class SchedulesQuery(PageQuery):
    app = Text(load_default=None, metadata={"description": "Id or name of an app; without it, of all."})


class ScheduleView(Schema):
    id = fields.String(required=True)
    app_id = fields.String(required=True)
    name = fields.String(required=True)
    origin = fields.String(required=True, metadata={"description": "`operator`, or `document`: a trigger of the current version made it."})
    node_id = fields.String(required=True, allow_none=True)
    cron = fields.String(required=True)
    timezone = fields.String(required=True)
    missed = fields.String(required=True)
    overlap = fields.String(required=True)
    user = fields.String(required=True)
    inputs = fields.Dict(required=True)
    next_at = EpochSeconds(required=True, allow_none=True, metadata={"description": "Null: it is paused, or no time is left."})
    paused_at = EpochSeconds(required=True, allow_none=True)
    created_at = EpochSeconds(required=True)


class FiringView(Schema):
    due_at = EpochSeconds(required=True)
    fired_at = EpochSeconds(required=True)
    status = fields.String(required=True, metadata={"description": "`started`, `skipped`, `missed` or `failed`."})
    run_id = fields.String(required=True, allow_none=True)
    run_status = fields.String(required=True, allow_none=True)
    missed = fields.Integer(required=True)
    error = fields.String(required=True, allow_none=True)


class WholeSchedule(ScheduleView):
    next_times = fields.List(EpochSeconds(), required=True)
    firings = fields.List(fields.Nested(FiringView), required=True, metadata={"description": "The last 20, newest first."})


class SchedulePage(PageOf):
    data = fields.List(fields.Nested(ScheduleView), required=True)


class BegunRun(Schema):
    run_id = fields.String(required=True)
    task_id = fields.String(required=True)


class TriggerView(Schema):
    node_id = fields.String(required=True)
    title = fields.String(required=True)
    method = fields.String(required=True)
    content_type = fields.String(required=True)
    url = fields.String(required=True, metadata={"description": "Whoever knows it may begin runs."})
    created_at = EpochSeconds(required=True)
    last_used_at = EpochSeconds(required=True, allow_none=True)


class TriggerList(Schema):
    data = fields.List(fields.Nested(TriggerView), required=True)


class AdminBatchesQuery(PageQuery):
    app = Text(load_default=None, metadata={"description": "Id or name of an app; without it, of all."})
    status = fields.String(load_default=None, validate=validate.OneOf(SHOWN_STATUSES, error=f"must be one of {', '.join(SHOWN_STATUSES)}"))


class AdminBatch(BatchView):
    app_id = fields.String(required=True)


class AdminBatchDetail(BatchDetail):
    app_id = fields.String(required=True)


class AdminBatchPage(PageOf):
    data = fields.List(fields.Nested(AdminBatch), required=True)


class RetriedAdminBatch(AdminBatch):
    retried = fields.Integer(required=True, metadata={"description": "Items that wait again."})
