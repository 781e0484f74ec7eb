"""Uploads on the wire (api-contract.md sections 2.6 and 2.7)."""

from __future__ import annotations

from marshmallow import Schema, fields

from app.schemas.fields import EpochSeconds

UNUSED = {"description": "Always null."}


class Upload(Schema):
    id = fields.String(required=True, metadata={"description": "The `upload_file_id` of a run request."})
    name = fields.String(required=True)
    size = fields.Integer(required=True, metadata={"description": "Bytes."})
    extension = fields.String(required=True, metadata={"description": "Lower case, without dot; empty if there is none."})
    mime_type = fields.String(required=True)
    created_by = fields.String(required=True, metadata={"description": "Id of the end user."})
    created_at = EpochSeconds(required=True)
    preview_url = fields.String(required=True, allow_none=True, metadata=UNUSED)
    source_url = fields.String(required=True, metadata={"description": "Signed and valid for a limited time."})
    original_url = fields.String(required=True, allow_none=True, metadata=UNUSED)
    user_id = fields.String(required=True, allow_none=True, metadata=UNUSED)
    tenant_id = fields.String(required=True, allow_none=True)
    conversation_id = fields.String(required=True, allow_none=True, metadata=UNUSED)
    file_key = fields.String(required=True, allow_none=True, metadata=UNUSED)
    reference = fields.String(required=True, allow_none=True, metadata=UNUSED)


class UploadForm(Schema):
    file = fields.Raw(required=True, metadata={"type": "string", "format": "binary"})
    user = fields.String(metadata={"description": "Your name for the end user; without one, every user may use the file."})
