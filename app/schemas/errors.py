"""The body of every answer that is no success."""

from __future__ import annotations

from marshmallow import Schema, fields


class ErrorSchema(Schema):
    code = fields.String(required=True, metadata={"description": "Stable snake_case text to branch on.", "example": "invalid_param"})
    message = fields.String(required=True, metadata={"description": "What is wrong, for people.", "example": "Arg user must be provided."})
    status = fields.Integer(required=True, metadata={"description": "The HTTP status.", "example": 400})
    params = fields.String(metadata={"description": "The field to blame, if it is one.", "example": "user"})
