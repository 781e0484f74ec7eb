"""Forms for people on the wire (api-contract.md sections 2.15 and 2.16)."""

from __future__ import annotations

from marshmallow import EXCLUDE, Schema, fields

from app.schemas.fields import EpochSeconds
from app.schemas.runs import NO_OBJECT, REQUIRED


class FormAction(Schema):
    id = fields.String(required=True, metadata={"description": "What `action` of the answer says.", "example": "approve"})
    title = fields.String(required=True, metadata={"description": "What the button says.", "example": "Approve"})
    button_style = fields.String(required=True, metadata={"description": "`primary`, `default`, `accent` or `ghost`."})


class FormView(Schema):
    """A form that waits for its answer; dumped from a ``StoredForm``."""

    form_content = fields.String(
        attribute="held.form.content",
        required=True,
        metadata={"description": "Markdown. `{{#$output.NAME#}}` is where the control of the input NAME belongs."},
    )
    inputs = fields.List(
        fields.Dict(),
        attribute="held.form.inputs",
        required=True,
        metadata={"description": "Each with `output_variable_name` and a `type`: `paragraph`, `select`, `file` or `file-list`."},
    )
    resolved_default_values = fields.Dict(
        keys=fields.String(),
        values=fields.String(),
        attribute="held.form.default_values",
        required=True,
        metadata={"description": "By input, the text to begin with where the workflow computes it."},
    )
    user_actions = fields.List(fields.Nested(FormAction), attribute="held.form.actions", required=True)
    expiration_time = EpochSeconds(attribute="held.expires_at", required=True, allow_none=True, metadata={"description": "Unix seconds."})


class FormAnswer(Schema):
    class Meta:
        unknown = EXCLUDE

    inputs = fields.Dict(
        required=True,
        error_messages=NO_OBJECT,
        metadata={"description": "A value for each input of the form; files as in a run request.", "example": {"reason": "Fine."}},
    )
    action = fields.String(
        required=True,
        error_messages={"required": REQUIRED, "null": "must be a string", "invalid": "must be a string"},
        metadata={"description": "Id of one of the form's actions.", "example": "approve"},
    )
    user = fields.Raw(required=True, metadata={"type": "string", "description": "Who answers.", "example": "abc-123"})


class FormAnswered(Schema):
    """Empty: the answer is stored, and the run goes on."""


class FormPage(Schema):
    """What the page of a form sends, beside `in.NAME` and `url.NAME` for its inputs."""

    action = fields.String(required=True)
