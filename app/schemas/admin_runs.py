"""Runs and the deployment at a glance in the admin API."""

from __future__ import annotations

from marshmallow import Schema, fields, validate

from app.schemas.admin import AdminSchema, PageOf, PageQuery, Text
from app.schemas.fields import EpochSeconds, Moment
from worker.engine.events import RunStatus

STATUSES = tuple(status.value for status in RunStatus)


class RunsQuery(PageQuery):
    app = Text(load_default=None, metadata={"description": "Id or name of an app; without it, of all."})
    status = fields.String(
        load_default=None,
        validate=validate.OneOf(STATUSES, error=f"must be one of {', '.join(STATUSES)}"),
        metadata={"description": "`scheduled` runs wait for a worker; apps see them as `running`."},
    )
    created_after = Moment(load_default=None, metadata={"description": "ISO 8601, inclusive."})
    created_before = Moment(load_default=None, metadata={"description": "ISO 8601, inclusive."})
    user = Text(load_default=None, metadata={"description": "The `user` of the run."})


class RunFacts(Schema):
    id = fields.String(attribute="run_id", required=True)
    task_id = fields.String(required=True)
    app_id = fields.String(required=True)
    workflow_id = fields.String(required=True)
    workflow_version = fields.String(required=True)
    user = fields.String(required=True)
    status = fields.String(required=True)
    triggered_from = fields.String(required=True)
    error = fields.String(required=True, allow_none=True)
    elapsed_time = fields.Float(required=True, metadata={"description": "Seconds."})
    total_tokens = fields.Integer(required=True)
    total_steps = fields.Integer(required=True)
    created_at = EpochSeconds(required=True)
    started_at = EpochSeconds(required=True, allow_none=True)
    finished_at = EpochSeconds(required=True, allow_none=True)
    attempt = fields.Integer(required=True, metadata={"description": "Workers that have begun it so far."})
    resumed_from = fields.String(required=True, allow_none=True)


class RunPage(PageOf):
    """A page may have fewer runs than asked for, or none, and another one behind it: `next` alone says whether that is so."""

    data = fields.List(fields.Nested(RunFacts), required=True)


class NodeFacts(Schema):
    node_id = fields.String(required=True)
    node_type = fields.String(required=True)
    title = fields.String(required=True)
    status = fields.String(required=True)
    error = fields.String(required=True, allow_none=True)
    elapsed_s = fields.Float(required=True)


class WholeRunFacts(Schema):
    id = fields.String(attribute="run_id", required=True)
    task_id = fields.String(required=True)
    app_id = fields.String(required=True)
    workflow_id = fields.String(required=True)
    status = fields.String(required=True)
    inputs = fields.Dict(required=True)
    outputs = fields.Dict(required=True)
    error = fields.String(required=True, allow_none=True)
    elapsed_time = fields.Float(required=True, metadata={"description": "Seconds."})
    total_steps = fields.Integer(required=True)
    total_tokens = fields.Integer(required=True)
    created_at = EpochSeconds(required=True)
    finished_at = EpochSeconds(required=True, allow_none=True)
    resumed_from = fields.String(required=True, allow_none=True)
    nodes = fields.List(fields.Nested(NodeFacts), required=True, metadata={"description": "In the order in which they ended."})


class StoppedRun(Schema):
    is_told = fields.Boolean(required=True, metadata={"description": "`false`: the run has ended already."})


class ResumeOrder(AdminSchema):
    version = Text(
        load_default=None,
        allow_none=True,
        metadata={"description": "Another version: id, time, alias, or `latest`. The run's own without this."},
    )


class ResumedRun(Schema):
    run_id = fields.String(required=True)
    task_id = fields.String(required=True)
    workflow_id = fields.String(required=True)
    resumed_from = fields.String(required=True)


class Versions(Schema):
    penstock = fields.String(required=True)
    dify = fields.String(required=True, metadata={"description": "That this deployment announces."})
    python = fields.String(required=True)
    database = fields.String(required=True, metadata={"description": "`sqlite` or `postgresql`."})
    schema = fields.String(required=True)


class OverviewFacts(Schema):
    apps = fields.Integer(required=True)
    keys = fields.Integer(required=True, metadata={"description": "That can be used."})
    unfinished = fields.Dict(
        keys=fields.String(), values=fields.Integer(), required=True, metadata={"description": "Status -> runs that have not ended."}
    )
    ended_lately = fields.Dict(
        keys=fields.String(),
        values=fields.Integer(),
        required=True,
        metadata={"description": "Status -> runs that ended in the last hour."},
    )
    queue_depth = fields.Integer(required=True, metadata={"description": "Runs that wait for a worker."})
    oldest_wait_s = fields.Float(required=True, allow_none=True, metadata={"description": "Of those, how long the oldest has waited."})
    workers_with_runs = fields.Integer(required=True, metadata={"description": "Workers that hold a run now; idle ones are not seen."})
    has_sweeper = fields.Boolean(required=True, metadata={"description": "Some worker is alive and looks for lost runs."})
    is_capped = fields.Boolean(required=True, metadata={"description": "More runs than are counted: 100000 of a kind."})
    versions = fields.Nested(Versions, required=True)
