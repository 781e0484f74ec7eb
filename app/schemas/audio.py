"""Speech and recordings on the wire (api-contract.md sections 2.12 and 2.13)."""

from __future__ import annotations

from marshmallow import EXCLUDE, Schema, fields

from app.schemas.fields import ErrorTexts

NO_TEXT: ErrorTexts = {"invalid": "must be a text"}


class SpeechRequest(Schema):
    class Meta:
        unknown = EXCLUDE

    text = fields.String(
        allow_none=True, load_default=None, error_messages=NO_TEXT, metadata={"description": "What to say.", "example": "Hello."}
    )
    message_id = fields.String(
        allow_none=True,
        load_default=None,
        error_messages=NO_TEXT,
        metadata={"description": "A run, or the `message_id` of its speech events: its outputs are said instead of `text`."},
    )
    voice = fields.String(
        allow_none=True, load_default=None, error_messages=NO_TEXT, metadata={"description": "Instead of the voice of the app."}
    )
    user = fields.Raw(load_default=None, metadata={"type": "string", "description": "Your name for the end user."})
    streaming = fields.Raw(load_default=None, metadata={"type": "boolean", "description": "Accepted for compatibility."})


class RecordingForm(Schema):
    file = fields.Raw(required=True, metadata={"type": "string", "format": "binary", "description": "At most 30 MB."})
    user = fields.String(metadata={"description": "Your name for the end user."})


class Transcript(Schema):
    text = fields.String(required=True)
