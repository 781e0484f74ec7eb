"""Which reader a document gets: by its extension, and only if it has none by its media type (nodes.md section 6.17)."""

from __future__ import annotations

from dataclasses import dataclass

from worker.engine.errors import NodeError
from worker.engine.media_types import FEED, WEB_PAGE

#: Class names that fail-branches see.
UNSUPPORTED = "UnsupportedFileTypeError"
EXTRACTION_FAILED = "TextExtractionError"

OFFICE = "application/vnd.openxmlformats-officedocument"

#: Read as they are: prose, markup, source code, settings.
PLAIN_EXTENSIONS = (
    *("txt", "markdown", "md", "mdx", "html", "htm", "xml", "log", "vtt"),
    *("c", "h", "cpp", "hpp", "cc", "cxx", "c++", "py", "js", "ts", "jsx", "tsx", "java", "php", "rb", "go", "rs", "swift", "kt", "scala"),
    *("sh", "bash", "bat", "ps1", "sql", "r", "m", "pl", "lua", "vim", "asm", "s", "css", "scss", "less", "sass"),
    *("ini", "cfg", "conf", "toml", "env"),
)


@dataclass(frozen=True, slots=True)
class Kind:
    #: Module of this package and its function, which takes the content and answers the text; empty if there is none.
    reader: str
    #: How the text of every failure begins.
    failure: str
    #: Without dot.
    extensions: tuple[str, ...]
    media_types: tuple[str, ...]


KINDS = (
    Kind(
        "plain.text",
        "Failed to decode plain text file",
        PLAIN_EXTENSIONS,
        ("text/plain", "text/html", "text/htm", "text/markdown", "text/xml"),
    ),
    Kind("json_file.text", "Failed to decode or parse JSON file", ("json",), ("application/json",)),
    Kind("yaml_file.text", "Failed to decode or parse YAML file", ("yaml", "yml"), ("application/x-yaml", "text/yaml")),
    Kind("pdf.text", "Failed to extract text from PDF", ("pdf",), ("application/pdf",)),
    Kind("docx_file.text", "Failed to extract text from DOCX", ("docx",), (f"{OFFICE}.wordprocessingml.document",)),
    Kind("", "Failed to extract text from DOC", ("doc",), ("application/msword",)),
    Kind("delimited.comma_text", "Failed to extract text from CSV", ("csv",), ("text/csv",)),
    Kind("delimited.tab_text", "Failed to extract text from TSV", ("tsv",), ("text/tab-separated-values",)),
    Kind(
        "workbook.text",
        "Failed to extract text from Excel file",
        ("xls", "xlsx"),
        (f"{OFFICE}.spreadsheetml.sheet", "application/vnd.ms-excel"),
    ),
    Kind("pptx_file.text", "Failed to extract text from PPTX", ("pptx",), (f"{OFFICE}.presentationml.presentation",)),
    Kind("", "Failed to extract text from PPT", ("ppt",), ("application/vnd.ms-powerpoint",)),
    Kind("epub_file.text", "Failed to extract text from EPUB", ("epub",), ("application/epub+zip",)),
    Kind("odt_file.text", "Failed to extract text from ODT", ("odt",), ("application/vnd.oasis.opendocument.text",)),
    Kind("eml_file.text", "Failed to extract text from EML", ("eml",), ("message/rfc822",)),
    Kind("msg_file.text", "Failed to extract text from MSG", ("msg",), ("application/vnd.ms-outlook",)),
    Kind("properties_file.text", "Failed to extract text from properties file", ("properties",), ("text/properties",)),
    # By its extension such a file is plain text.
    Kind("captions.text", "Failed to extract text from VTT", (), ("text/vtt",)),
    # Not for documents of users, whose HTML is read as it is written: for tools that fetch pages and feeds.
    Kind("web_page.text", "Failed to read the web page", (), (WEB_PAGE,)),
    Kind("feed.text", "Failed to read the feed", (), (FEED,)),
)

BY_EXTENSION = {extension: kind for kind in KINDS for extension in kind.extensions}
BY_MEDIA_TYPE = {media_type: kind for kind in KINDS for media_type in kind.media_types}


def kind_of(extension: str, media_type: str) -> Kind:
    """The kind of a document; its extension may have a dot, and any case. Raises ``NodeError`` if there is no reader for it."""
    ending = extension.lower().removeprefix(".")
    kind = BY_EXTENSION.get(ending) if ending else BY_MEDIA_TYPE.get(media_type)
    if kind is None:
        raise NodeError(_unknown(ending, media_type), error_type=UNSUPPORTED)
    if not kind.reader:
        advice = f"the old binary format is not supported, save the file as .{kind.extensions[0]}x"
        raise NodeError(f"{kind.failure}: {advice}", error_type=EXTRACTION_FAILED)
    return kind


def _unknown(ending: str, media_type: str) -> str:
    if ending:
        return f"Unsupported Extension Type: .{ending}"
    if media_type:
        return f"Unsupported MIME type: {media_type}"
    return "Unable to determine file type: MIME type or file extension is missing"
