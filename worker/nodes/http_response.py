"""What an http-request node makes of a response: text or file, within their limits (nodes.md section 6.7)."""

from __future__ import annotations

import codecs
import re
from typing import Any

from worker.engine.errors import NodeError
from worker.engine.limits import Limits
from worker.engine.media_types import (
    charset_of_header,
    disposition_of_header,
    extension_of_mime,
    mime_of_header,
    mime_of_name,
    name_in_url,
)
from worker.engine.ports import Files, OutboundResponse

TEXT_SUBTYPES = ("json", "xml", "javascript", "x-www-form-urlencoded", "yaml", "graphql")

FILE_KINDS = frozenset({"application", "image", "audio", "video"})

#: Bytes of a body that decide whether an unknown ``application/*`` is text.
SNIFFED_BYTES = 1024

#: Signs of a structured text or a program.
SIGNS_OF_TEXT = ("{", "[", "<", "function", "var ", "const ", "let ")

BYTE_ORDER_MARKS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))

#: ``<meta charset=...>``, ``<meta ... content="...; charset=...">`` and ``<?xml ... encoding=...?>``.
DECLARED_CHARSET = re.compile(rb"(?:charset|encoding)\s*=\s*[\"']?\s*([A-Za-z0-9_.:-]+)")


def response_outputs(response: OutboundResponse, limits: Limits, files: Files) -> dict[str, Any]:
    """The four outputs, in their order. Raises ``NodeError`` when the body is too large."""
    check_size(response, len(response.body), limits)
    found = [stored(response, files)] if response.body and is_file(response) else []
    return {
        "status_code": response.status,
        "body": "" if is_file(response) else text_of_body(response),
        "headers": dict(response.headers),
        "files": found,
    }


def check_size(response: OutboundResponse, size: int | None, limits: Limits) -> None:
    """``size`` in bytes; None when only known to be over both limits."""
    kind, limit = ("File", limits.http_request_node_max_binary_size)
    if not is_file(response):
        kind, limit = ("Text", limits.http_request_node_max_text_size)
    if size is None or size > limit:
        seen = readable_size(size) if size is not None else f"more than {readable_size(limit)}"
        message = f"{kind} size is too large, max size is {limit / 1024 / 1024:.2f} MB, but current size is {seen}."
        raise NodeError(message, error_type="ResponseSizeError")


def readable_size(size: int) -> str:
    if size < 1024:
        return f"{size} bytes"
    return f"{size / 1024:.2f} KB" if size < 1024 * 1024 else f"{size / 1024 / 1024:.2f} MB"


def is_file(response: OutboundResponse) -> bool:
    disposition, filename = disposition_of_header(response.headers.get("content-disposition", ""))
    if disposition == "attachment" or filename:
        return True
    mime_type = mime_of_header(response.headers.get("content-type", ""))
    kind, _, subtype = mime_type.partition("/")
    if kind == "text" or (kind == "application" and (any(name in subtype for name in TEXT_SUBTYPES) or looks_like_text(response.body))):
        return False
    usual_type = mime_of_name("x" + extension_of_mime(mime_type)) or mime_type
    return usual_type.partition("/")[0] in FILE_KINDS


def looks_like_text(body: bytes) -> bool:
    try:
        # Not final: the cut may fall into the middle of a character.
        start = codecs.getincrementaldecoder("utf-8")().decode(body[:SNIFFED_BYTES])
    except UnicodeDecodeError:
        return False
    return any(sign in start for sign in SIGNS_OF_TEXT)


def stored(response: OutboundResponse, files: Files) -> Any:
    mime_type = mime_of_file(response)
    return files.save(response.body, extension=extension_of_mime(mime_type) or ".bin", mime_type=mime_type)


def mime_of_file(response: OutboundResponse) -> str:
    """By the name that the server gives, else as it says, else by the name in the URL."""
    _, filename = disposition_of_header(response.headers.get("content-disposition", ""))
    return (
        mime_of_name(filename)
        or mime_of_header(response.headers.get("content-type", ""))
        or mime_of_name(name_in_url(response.url))
        or "application/octet-stream"
    )


def text_of_body(response: OutboundResponse) -> str:
    charset = charset_of_header(response.headers.get("content-type", "")) or detected_charset(response.body)
    try:
        return response.body.decode(charset, "replace")
    except (LookupError, UnicodeError):
        # Unknown, or one of Python's codecs that are no charsets.
        return response.body.decode("utf-8", "replace")


def detected_charset(body: bytes) -> str:
    """By byte order mark, by trial as UTF-8, by what an HTML or XML text says of itself; else UTF-8."""
    for mark, charset in BYTE_ORDER_MARKS:
        if body.startswith(mark):
            return charset
    try:
        body.decode("utf-8")
    except UnicodeDecodeError:
        declared = DECLARED_CHARSET.search(body[:SNIFFED_BYTES])
        return declared[1].decode("ascii") if declared else "utf-8"
    return "utf-8"
