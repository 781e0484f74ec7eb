"""Documents in requests of the admin API: as the body, or as the file of a form."""

from __future__ import annotations

from typing import Any

from flask import request

from app.admin.apps import Publishing, parsed
from app.body import json_object, refuse_compression
from app.documents import MAX_SIZE_BYTES
from app.errors import APIError
from app.parts import current_parts
from app.schemas.admin import AdminSchema
from app.schemas.admin_apps import DocumentForm
from app.schemas.fields import load
from app.views.blueprint import View, noting

#: Types of a body that is a document. Curl's default for a file, forms, is not one of them.
TYPES = frozenset(
    {
        "application/yaml",
        "application/x-yaml",
        "text/yaml",
        "text/x-yaml",
        "text/plain",
        "application/octet-stream",
    }
)
FORM = "multipart/form-data"

#: Room for the other parts of a form.
FORM_BYTES = 64 * 1024

_TEXT = {"schema": {"type": "string", "description": "The DSL file: YAML or JSON, at most 10 MiB."}}
BODY = {
    "required": True,
    "content": {"application/yaml": _TEXT, "application/json": {"schema": {"type": "object"}}, FORM: {"schema": DocumentForm}},
}


def takes_document(view: View) -> View:
    """Documents the body of a view that reads it with ``read_source``."""
    return noting(requestBody=BODY)(view)


def read_source(schema: type[AdminSchema]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The document of the request, and its options: of the query, and of a form's fields. Raises ``APIError``, ``DocumentError``."""
    refuse_compression(request)
    request.max_content_length = MAX_SIZE_BYTES + FORM_BYTES
    if request.mimetype == FORM:
        options = load(schema(), {**request.args, **request.form})
        return parsed(_file()), options
    if request.is_json:
        # Read as such: it may have escapes that YAML does not know.
        return json_object(request), load(schema(), request.args)
    if request.mimetype not in TYPES:
        raise APIError("unsupported_media_type", "Send the document as application/yaml, or as the file of a multipart form.")
    return parsed(request.get_data(cache=False)), load(schema(), request.args)


def _file() -> bytes:
    file = request.files.get("file")
    if file is None:
        raise APIError("no_file_uploaded")
    if len(list(request.files.items(multi=True))) > 1:
        raise APIError("too_many_files")
    return file.stream.read(MAX_SIZE_BYTES + 1)


def publishing(*, allow_missing_tools: bool = False) -> Publishing:
    parts = current_parts()
    return Publishing.of(parts.database, parts.config, allow_missing_tools=allow_missing_tools)
