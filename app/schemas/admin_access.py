"""Keys, environment variables, providers and webhooks in the admin API. What is secret is asked for and never answered again."""

from __future__ import annotations

from marshmallow import Schema, fields, validate

from app.schemas.admin import AdminSchema, PageOf, PageQuery, Text, Texts
from app.schemas.fields import EpochSeconds
from worker.store.webhooks import EVENTS

#: Characters of a value that somebody sets, at most; what its variable takes is asked besides.
MAX_VALUE = 1_000_000
MAX_URL = 2048
MAX_HEADER = 8192


class KeyOrder(AdminSchema):
    name = Text(load_default="", metadata={"description": "To tell keys apart."})
    token = Text(
        load_default=None,
        allow_none=True,
        validate=validate.Length(8, error="must have at least 8 characters"),
        metadata={"description": "Use this key, so that clients need no new one; made here without it."},
    )


class KeyFacts(Schema):
    id = fields.String(required=True)
    prefix = fields.String(required=True, metadata={"description": "Its first characters; the rest is not known here."})
    name = fields.String(required=True)
    created_at = EpochSeconds(required=True)
    last_used_at = EpochSeconds(required=True, allow_none=True)
    revoked_at = EpochSeconds(required=True, allow_none=True)


class NewKey(Schema):
    id = fields.String(required=True)
    app_id = fields.String(required=True)
    name = fields.String(required=True)
    api_key = fields.String(required=True, metadata={"description": "Shown this once."})


class KeyPage(PageOf):
    data = fields.List(fields.Nested(KeyFacts), required=True)


class VariableValue(AdminSchema):
    value = Text(required=True, most=MAX_VALUE, metadata={"description": "A text; of a number or an object, its JSON."})


class VariableFacts(Schema):
    name = fields.String(required=True)
    type = fields.String(required=True, allow_none=True, metadata={"description": "Null: only other versions declare it."})
    state = fields.String(required=True, metadata={"description": "`set`, `unreadable`, `document` or `missing`."})
    updated_at = EpochSeconds(required=True, allow_none=True)


class VariableList(Schema):
    data = fields.List(fields.Nested(VariableFacts), required=True, metadata={"description": "Those of the current version, then others."})


class ModelProviderOrder(AdminSchema):
    type = Text(load_default="", metadata={"description": "How it is spoken to; by default as known for the name."})
    base_url = Text(load_default="", most=MAX_URL, metadata={"description": "By default the public address of the name."})
    api_key = Text(load_default="", most=MAX_HEADER, metadata={"description": "Kept sealed, never answered. Empty: it wants none."})
    api_version = Text(load_default="", most=64, metadata={"description": "Of Azure only."})


class ModelProviderFacts(Schema):
    name = fields.String(required=True)
    type = fields.String(required=True)
    base_url = fields.String(required=True)
    has_key = fields.Boolean(required=True)
    source = fields.String(required=True, metadata={"description": "`stored`, or `environment` of the process that answers."})
    updated_at = EpochSeconds(required=True, allow_none=True)


class ModelProviderPage(PageOf):
    data = fields.List(fields.Nested(ModelProviderFacts), required=True)


class KnownProvider(Schema):
    name = fields.String(required=True)
    type = fields.String(required=True)
    base_url = fields.String(required=True, metadata={"description": "Empty: everybody has an address of their own."})


class KnownProviders(Schema):
    data = fields.List(fields.Nested(KnownProvider), required=True)


class ToolProviderOrder(AdminSchema):
    kind = Text(
        required=True,
        validate=validate.OneOf(("api", "mcp", "workflow"), error="must be 'api', 'mcp' or 'workflow'"),
        metadata={"description": "`api` needs `document`, `mcp` needs `url`, `workflow` needs `app`."},
    )
    document = fields.Dict(
        load_default=None,
        error_messages={"invalid": "must be an object", "null": "must be an object"},
        metadata={"description": "An OpenAPI description: each of its operations becomes a tool."},
    )
    server = Text(load_default="", most=MAX_URL, metadata={"description": "Base URL of the API; by default that of the description."})
    url = Text(load_default="", most=MAX_URL, metadata={"description": "Address of an MCP server, which is asked once for its tools."})
    app = Text(load_default="", metadata={"description": "Id or name of an app that answers for the tools."})
    headers = Texts(most=MAX_HEADER, load_default=dict, metadata={"description": "Sent with each call. Kept sealed, never answered."})


class ToolProviderFacts(Schema):
    name = fields.String(required=True)
    kind = fields.String(required=True, metadata={"description": "`api`, `mcp` or `workflow`."})
    tools = fields.List(fields.String(), required=True)
    updated_at = EpochSeconds(required=True, allow_none=True)


class ToolProviderPage(PageOf):
    data = fields.List(fields.Nested(ToolProviderFacts), required=True)


class WebhooksQuery(PageQuery):
    app = Text(load_default=None, metadata={"description": "Id or name of an app; without it, of all."})


class WebhookOrder(AdminSchema):
    url = Text(required=True, most=MAX_URL, metadata={"example": "https://receiver.example/penstock"})
    events = fields.List(
        Text(validate=validate.OneOf(EVENTS, error=f"must be one of {', '.join(EVENTS)}")),
        load_default=list,
        error_messages={"invalid": "must be an array of event names", "null": "must be an array of event names"},
        validate=validate.Length(max=len(EVENTS), error=f"must have at most {len(EVENTS)} names"),
        metadata={"description": "Which events it wants; all without this."},
    )


class WebhookFacts(Schema):
    id = fields.String(required=True)
    app_id = fields.String(required=True)
    url = fields.String(required=True)
    events = fields.List(fields.String(), required=True)
    created_at = EpochSeconds(required=True)
    disabled_at = EpochSeconds(required=True, allow_none=True, metadata={"description": "It answered that it is gone."})


class NewWebhook(Schema):
    id = fields.String(required=True)
    app_id = fields.String(required=True)
    url = fields.String(required=True)
    events = fields.List(fields.String(), required=True)
    secret = fields.String(required=True, metadata={"description": "Signs the messages; shown this once."})


class WebhookPage(PageOf):
    data = fields.List(fields.Nested(WebhookFacts), required=True)
