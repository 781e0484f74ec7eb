"""Media types and file names, guessed from each other and from response headers; the same on every machine."""

from __future__ import annotations

import mimetypes
import posixpath
from collections.abc import Mapping
from email.message import Message
from urllib.parse import unquote

#: Under these, ``ports.DocumentReader`` answers facts of a page or a feed as JSON, where ``text/html`` is read as it is written.
WEB_PAGE = "application/vnd.penstock.web-page"
FEED = "application/vnd.penstock.feed"

OFFICE = "application/vnd.openxmlformats-officedocument"

#: Common types that Python's table lacks.
FURTHER_TYPES: Mapping[str, str] = {
    ".7z": "application/x-7z-compressed",
    ".amr": "audio/amr",
    ".docx": f"{OFFICE}.wordprocessingml.document",
    ".eml": "message/rfc822",
    ".epub": "application/epub+zip",
    ".flac": "audio/flac",
    ".gz": "application/gzip",
    ".m4a": "audio/mp4",
    ".md": "text/markdown",
    ".mkv": "video/x-matroska",
    ".mpga": "audio/mpeg",
    ".msg": "application/vnd.ms-outlook",
    ".odt": "application/vnd.oasis.opendocument.text",
    ".ogg": "audio/ogg",
    ".pptx": f"{OFFICE}.presentationml.presentation",
    ".properties": "text/properties",
    ".rar": "application/vnd.rar",
    ".rtf": "application/rtf",
    ".vtt": "text/vtt",
    ".webp": "image/webp",
    ".xlsx": f"{OFFICE}.spreadsheetml.sheet",
    ".yaml": "application/x-yaml",
    ".yml": "application/x-yaml",
}

#: Spellings and choices that Python's table would miss.
USUAL_EXTENSIONS: Mapping[str, str] = {
    "application/xml": ".xml",
    "audio/mpeg": ".mp3",
    "audio/wav": ".wav",
    "audio/x-m4a": ".m4a",
    "image/jpg": ".jpg",
    "text/yaml": ".yaml",
}


def _table() -> mimetypes.MimeTypes:
    """Python's own table and the further types, without what the machine's files would add."""
    table = mimetypes.MimeTypes()
    # Without these, ``x.tar.gz`` would be of the type of ``x.tar``.
    table.encodings_map, table.suffix_map = {}, {}
    for extension, mime_type in FURTHER_TYPES.items():
        table.add_type(mime_type, extension)
    return table


TABLE = _table()


def mime_of_name(name: str) -> str:
    """Media type by the extension of a file name; empty if it is not known."""
    # Not the whole name: guess_type would take one with a colon for a URL.
    return TABLE.guess_type("x" + posixpath.splitext(name)[1])[0] or ""


def extension_of_mime(mime_type: str) -> str:
    """The usual extension of a media type, with dot; empty if it is not known."""
    return USUAL_EXTENSIONS.get(mime_type.lower()) or TABLE.guess_extension(mime_type.lower()) or ""


def mime_of_header(content_type: str) -> str:
    """``text/html`` of ``Text/HTML; charset=utf-8``."""
    return content_type.partition(";")[0].strip().lower()


def charset_of_header(content_type: str) -> str:
    """The charset parameter, lower case; empty if there is none."""
    return _header("Content-Type", content_type).get_content_charset("")


def disposition_of_header(content_disposition: str) -> tuple[str, str]:
    """Kind (``attachment``, ``inline`` or empty) and file name (empty if there is none) of a Content-Disposition header."""
    header = _header("Content-Disposition", content_disposition)
    return header.get_content_disposition() or "", posixpath.basename(header.get_filename("").replace("\\", "/"))


def name_in_url(url: str) -> str:
    """The last part of a URL's path, unquoted; empty if the path ends in a slash. For any text, however wrong it is as a URL."""
    scheme, mark, rest = url.partition("#")[0].partition("?")[0].partition("://")
    return unquote(posixpath.basename(rest.partition("/")[2] if mark else scheme))


def _header(name: str, value: str) -> Message:
    message = Message()
    message[name] = value.replace("\r", " ").replace("\n", " ")
    return message
