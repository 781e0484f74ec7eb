"""What an app tells about itself (api-contract.md sections 2.5, 2.9 to 2.11 and 6)."""

from __future__ import annotations

from marshmallow import Schema, fields


class Parameters(Schema):
    opening_statement = fields.Raw(required=True, allow_none=True)
    suggested_questions = fields.Raw(required=True)
    suggested_questions_after_answer = fields.Dict(required=True)
    speech_to_text = fields.Dict(required=True)
    text_to_speech = fields.Dict(required=True)
    retriever_resource = fields.Dict(required=True)
    annotation_reply = fields.Dict(required=True)
    more_like_this = fields.Dict(required=True)
    user_input_form = fields.List(
        fields.Dict(), required=True, metadata={"description": "One object per variable; its only key is the type of the control."}
    )
    sensitive_word_avoidance = fields.Dict(required=True)
    file_upload = fields.Dict(required=True)
    system_parameters = fields.Dict(required=True, metadata={"description": "Upload limits in MB, and files of a run."})


class Info(Schema):
    name = fields.String(required=True)
    description = fields.String(required=True)
    tags = fields.List(fields.String(), required=True)
    mode = fields.String(required=True)
    author_name = fields.String(required=True, allow_none=True)


class Site(Schema):
    title = fields.String(required=True)
    chat_color_theme = fields.String(required=True, allow_none=True)
    chat_color_theme_inverted = fields.Boolean(required=True)
    icon_type = fields.String(required=True, allow_none=True)
    icon = fields.String(required=True, allow_none=True)
    icon_background = fields.String(required=True, allow_none=True)
    icon_url = fields.String(required=True, allow_none=True)
    description = fields.String(required=True, allow_none=True)
    copyright = fields.String(required=True, allow_none=True)
    privacy_policy = fields.String(required=True, allow_none=True)
    custom_disclaimer = fields.String(required=True, allow_none=True)
    input_placeholder = fields.String(required=True, allow_none=True)
    default_language = fields.String(required=True)
    show_workflow_steps = fields.Boolean(required=True)
    use_icon_as_answer_icon = fields.Boolean(required=True)


class Meta(Schema):
    tool_icons = fields.Dict(required=True)
