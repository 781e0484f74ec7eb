"""Upload files, and get them back (api-contract.md sections 2.6 and 2.7)."""

from __future__ import annotations

import uuid
from typing import Any, BinaryIO, cast

from flask import Response, request
from werkzeug.datastructures import FileStorage

from app.auth import caller
from app.body import refuse_compression, user_name
from app.config import ApiConfig
from app.downloads import download
from app.errors import APIError
from app.parts import Parts, current_parts
from app.schemas.files import Upload, UploadForm
from app.submission import end_user
from app.uploads import check_name, file_size
from app.views.blueprint import APIBlueprint, query
from worker.store.files import to_file
from worker.store.models import StoredFile

blueprint = APIBlueprint("Files", __name__, url_prefix="/v1", description="Files for the inputs of runs, and files that runs made.")
signed_blueprint = APIBlueprint("Signed files", __name__, is_open=True, description="Files by the addresses that answers and events hold.")

BYTES = {"type": "string", "format": "binary"}

#: Files are answered with the types that they came with.
ITS_OWN = "*/*"

AS_ATTACHMENT = query("as_attachment", "`true`, `1`, `yes` or `on`: answer with a download.", "boolean")
SIGNATURE = (query("timestamp", "", required=True), query("nonce", "", required=True), query("sign", "", required=True))


@blueprint.route("/files/upload", methods=["POST"])
@blueprint.fails(400, 413, 415, 503)
@blueprint.response(201, Upload)
@blueprint.takes(UploadForm, "multipart/form-data")
def upload_file() -> dict[str, Any]:
    """Upload a file

    Files that are uploaded without a user may be used by every user of the app.
    """
    parts = current_parts()
    refuse_compression(request)
    request.max_content_length = parts.api.largest_upload_bytes
    file = uploaded_file(parts.api)
    size = file_size(file, parts.api)
    end_user_id = end_user(parts, user_name(request.form.get("user")))
    stored = parts.files.upload(caller().app_id, end_user_id, str(file.filename), file.mimetype, size, cast("BinaryIO", file.stream))
    return described(parts, stored)


def uploaded_file(api: ApiConfig) -> FileStorage:
    """The file of the request. Raises ``APIError``, in the order of section 2.6."""
    file = request.files.get("file")
    if file is None:
        raise APIError("no_file_uploaded")
    if len(request.files) > 1:
        raise APIError("too_many_files")
    if not file.mimetype:
        raise APIError("unsupported_file_type")
    check_name(file, api)
    return file


def described(parts: Parts, row: StoredFile) -> dict[str, Any]:
    return {
        "id": row.id,
        "name": row.name,
        "size": row.size,
        "extension": row.extension,
        "mime_type": row.mime_type,
        "created_by": row.end_user_id,
        "created_at": row.created_at,
        "preview_url": None,
        "source_url": parts.files.addresses_here(row.app_id)(to_file(row)),
        "original_url": None,
        "user_id": None,
        "tenant_id": row.app_id,
        "conversation_id": None,
        "file_key": None,
        "reference": None,
    }


@blueprint.route("/files/<uuid:file_id>/preview")
@blueprint.fails(404, 503)
@blueprint.alt_response(200, content_type=ITS_OWN, schema=BYTES, success=True)
@blueprint.asks(AS_ATTACHMENT)
def preview_file(file_id: uuid.UUID) -> Response:
    """Get a file of this app: uploaded with any of its keys, or made by one of its runs"""
    parts = current_parts()
    file = parts.files.find(str(file_id))
    if file is None:
        raise APIError("file_not_found")
    if file.app_id != caller().app_id:
        raise APIError("file_access_denied")
    return download(parts.files, file, APIError("file_not_found"))


@signed_blueprint.route("/files/<uuid:file_id>/file-preview")
@signed_blueprint.fails(404, 503)
@signed_blueprint.alt_response(200, content_type=ITS_OWN, schema=BYTES, success=True)
@signed_blueprint.asks(*SIGNATURE, AS_ATTACHMENT)
def show_upload(file_id: uuid.UUID) -> Response:
    """Get an uploaded file by its signed address"""
    return signed_download(str(file_id))


@signed_blueprint.route("/files/tools/<uuid:file_id>.<extension>")
@signed_blueprint.fails(404, 503)
@signed_blueprint.alt_response(200, content_type=ITS_OWN, schema=BYTES, success=True)
@signed_blueprint.asks(*SIGNATURE, AS_ATTACHMENT)
def show_produced_file(file_id: uuid.UUID, extension: str) -> Response:
    """Get a file that a run made by its signed address"""
    return signed_download(str(file_id))


def signed_download(file_id: str) -> Response:
    parts = current_parts()
    refusal = APIError("not_found", "File not found or signature is invalid")
    file = parts.files.find(file_id)
    signature = [request.args.get(name, "") for name in ("timestamp", "nonce", "sign")]
    if file is None or not parts.files.links().verify(file.app_id, file.id, *signature):
        raise refusal
    return download(parts.files, file, refusal)
