"""Stored files as answers (api-contract.md section 2.7)."""

from __future__ import annotations

from urllib.parse import quote

from flask import Response, request
from werkzeug.wsgi import FileWrapper

from app.errors import APIError
from app.files import FileDesk
from worker.store.models import StoredFile

#: What a browser would run as a page of this host.
PAGES = ("text/html", "application/xhtml+xml")

TRUE = frozenset({"true", "1", "yes", "on"})

CHUNK_BYTES = 64 * 1024


def download(desk: FileDesk, file: StoredFile, refusal: APIError) -> Response:
    """The bytes of a file. Raises ``refusal`` if they are gone."""
    response = Response(mimetype=file.mime_type or "application/octet-stream")
    response.headers["Cache-Control"] = "public, max-age=3600"
    # A file must not become a script of this host, whatever its uploader says that it is.
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Content-Security-Policy"] = "script-src 'none'"
    if request.args.get("as_attachment", "").lower() in TRUE or file.mime_type in PAGES:
        response.mimetype = "application/octet-stream"
        response.headers["Content-Disposition"] = f"attachment; filename*=UTF-8''{quote(file.name, safe='')}"
    response.content_length = file.size
    return response if request.method == "HEAD" else with_content(response, desk, file, refusal)


def with_content(response: Response, desk: FileDesk, file: StoredFile, refusal: APIError) -> Response:
    try:
        content = desk.open(file)
    except FileNotFoundError as error:
        raise refusal from error
    response.response = FileWrapper(content, CHUNK_BYTES)
    if file.mime_type.startswith(("audio/", "video/")):
        # Players ask for pieces.
        response.make_conditional(request, accept_ranges=True, complete_length=file.size)
    return response
