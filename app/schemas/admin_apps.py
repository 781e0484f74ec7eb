"""Apps, their versions and aliases in the admin API."""

from __future__ import annotations

from marshmallow import Schema, fields

from app.schemas.admin import AdminSchema, Finding, Flag, PageOf, PageQuery, Text
from app.schemas.errors import ErrorSchema
from app.schemas.fields import EpochSeconds


class AppsQuery(PageQuery):
    name = Text(load_default=None, metadata={"description": "Only apps with this in their names, whatever its case."})


class AppFacts(Schema):
    id = fields.String(required=True)
    name = fields.String(required=True)
    description = fields.String(required=True)
    mode = fields.String(required=True)
    status = fields.String(required=True, metadata={"description": "`normal`, or no key of the app opens anything."})
    api_enabled = fields.Boolean(required=True)
    workflow_id = fields.String(required=True, allow_none=True, metadata={"description": "The current version."})
    created_at = EpochSeconds(required=True)


class AppPage(PageOf):
    data = fields.List(fields.Nested(AppFacts), required=True)


class AppChange(AdminSchema):
    api_enabled = Flag(required=True, metadata={"description": "`false`: its keys are answered 403."})


class ImportOptions(AdminSchema):
    name = Text(load_default=None, metadata={"description": "Name of the app; by default the document's."})
    allow_missing_tools = Flag(
        load_default=False, metadata={"description": "Take a document whose tools this deployment lacks: the nodes that call them fail."}
    )


class PublishOptions(ImportOptions):
    class Meta(AdminSchema.Meta):
        exclude = ("name",)


class CheckOptions(AdminSchema):
    """Of a check of a document: none."""


class DocumentForm(Schema):
    file = fields.Raw(required=True, metadata={"type": "string", "format": "binary", "description": "The DSL file, at most 10 MiB."})


class ImportedApp(Schema):
    app_id = fields.String(required=True)
    workflow_id = fields.String(required=True)
    name = fields.String(required=True)
    api_key = fields.String(required=True, metadata={"description": "Shown this once."})
    warnings = fields.List(fields.Nested(Finding), required=True)


class PublishedVersion(Schema):
    app_id = fields.String(required=True)
    workflow_id = fields.String(required=True)
    version = fields.String(required=True)
    is_new = fields.Boolean(required=True, metadata={"description": "`false`: the document was the current version already."})
    name = fields.String(required=True)
    warnings = fields.List(fields.Nested(Finding), required=True)


class DocumentRefusal(ErrorSchema):
    findings = fields.List(
        fields.Nested(Finding), metadata={"description": "With `invalid_document`: everything that keeps the document from running."}
    )


class CheckedDocument(Schema):
    is_runnable = fields.Boolean(required=True)
    findings = fields.List(fields.Nested(Finding), required=True)


class VersionFacts(Schema):
    id = fields.String(required=True)
    version = fields.String(required=True, metadata={"description": "When it was published, UTC."})
    content_hash = fields.String(required=True)
    marked_name = fields.String(required=True)
    marked_comment = fields.String(required=True)
    created_at = EpochSeconds(required=True)
    is_current = fields.Boolean(required=True)


class VersionPage(PageOf):
    data = fields.List(fields.Nested(VersionFacts), required=True)


class VersionDocument(Schema):
    id = fields.String(required=True)
    version = fields.String(required=True)
    document = fields.Dict(required=True, metadata={"description": "Secret texts are empty, as in an export."})
    masked = fields.List(fields.String(), required=True, metadata={"description": "Places of the texts that were left out."})


class VersionChoice(AdminSchema):
    version = Text(
        load_default=None,
        allow_none=True,
        metadata={"description": "Id, time or alias of a version; without it, the one before the current one."},
    )


class AliasTarget(AdminSchema):
    version = Text(required=True, metadata={"description": "Id, time or alias of a version, or `current`."})


class AliasFacts(Schema):
    name = fields.String(required=True)
    workflow_id = fields.String(required=True)
    version = fields.String(required=True)
    updated_at = EpochSeconds(required=True)


class AliasList(Schema):
    data = fields.List(fields.Nested(AliasFacts), required=True, metadata={"description": "At most 100, by name."})
