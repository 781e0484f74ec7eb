"""What the endpoints without a key tell about the process."""

from __future__ import annotations

from marshmallow import Schema, fields


class Index(Schema):
    welcome = fields.String(required=True)
    api_version = fields.String(required=True, metadata={"example": "v1"})
    server_version = fields.String(required=True)


class Health(Schema):
    status = fields.String(required=True, metadata={"example": "ok"})
    version = fields.String(required=True)
    pid = fields.Integer(required=True)


class Liveness(Schema):
    status = fields.String(required=True, metadata={"example": "ok"})


class Readiness(Liveness):
    """``ok`` in every field, or what is wrong."""

    database = fields.String(required=True)
    schema = fields.String(required=True)
    redis = fields.String(required=True)
