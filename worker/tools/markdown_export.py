"""md_exporter: a Markdown text as a file of another format."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Iterator, Mapping
from html import escape
from importlib import import_module
from typing import Any

from worker.engine.errors import NodeError
from worker.engine.media_types import mime_of_name
from worker.engine.node import NodeContext
from worker.engine.tools import BlobMessage, TextMessage, ToolMessage, ToolParameter
from worker.tools.function_tool import FunctionTool, by_name
from worker.tools.markdown_blocks import Block, blocks_of, parser, plain

#: Characters.
MAX_MARKDOWN = 2_000_000

#: A text that a model wrapped in a code fence as a whole.
FENCED = re.compile(r"\s*```(?:markdown|md)?[ \t]*\n(.*)\n```\s*", re.DOTALL)

#: What XML cannot hold, and other formats have no use for.
UNPRINTABLE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff\ud800-\udfff]")

#: What no file system wants in a name.
UNSAFE = re.compile(r'[\\/:*?"<>|\x00-\x1f]')

Writer = Callable[[str], bytes]


def export(extension: str, write: Writer) -> Callable[[Mapping[str, Any], NodeContext], Iterator[ToolMessage]]:
    def run(parameters: Mapping[str, Any], context: NodeContext) -> Iterator[ToolMessage]:
        content = write(markdown_of(parameters))
        yield BlobMessage(content, mime_of_name(f"x{extension}"), extension, filename_of(parameters, extension))

    return run


def html_text(parameters: Mapping[str, Any], context: NodeContext) -> Iterator[ToolMessage]:
    yield TextMessage(parser().render(markdown_of(parameters)))


def markdown_of(parameters: Mapping[str, Any]) -> str:
    text: str = parameters["md_text"]
    if len(text) > MAX_MARKDOWN:
        raise NodeError(f"The Markdown text has {len(text)} characters; at most {MAX_MARKDOWN} are exported.")
    text = UNPRINTABLE.sub("", text)
    whole = FENCED.fullmatch(text)
    return whole[1] if whole else text


def filename_of(parameters: Mapping[str, Any], extension: str) -> str:
    name = UNSAFE.sub("_", parameters.get("output_filename", "")).strip(" .")
    return f"{name.removesuffix(extension)[:200]}{extension}" if name else ""


def to_html(markdown: str) -> bytes:
    title = escape(next((block.text for block in blocks_of(markdown) if block.kind == "heading"), ""))
    head = f'<!DOCTYPE html>\n<html>\n<head>\n<meta charset="utf-8">\n<title>{title}</title>\n</head>\n<body>\n'
    return f"{head}{parser().render(markdown)}</body>\n</html>\n".encode()


def to_csv(markdown: str) -> bytes:
    """Every table, with an empty line between two; with a byte order mark, by which spreadsheets know the encoding."""
    out = io.StringIO()
    writer = csv.writer(out)
    for number, table in enumerate(tables_of(markdown)):
        if number:
            writer.writerow([])
        writer.writerows(texts_of(table))
    return out.getvalue().encode("utf-8-sig")


def to_json(markdown: str) -> bytes:
    """The rows of the first table as objects; of several tables, a list for each."""
    found = []
    for table in tables_of(markdown):
        head, *rows = texts_of(table)
        found.append([dict(zip(head, row, strict=False)) for row in rows])
    return json.dumps(found[0] if len(found) == 1 else found, ensure_ascii=False, indent=2).encode()


def tables_of(markdown: str) -> list[Block]:
    """Raises ``NodeError`` if there is none."""
    tables = [block for block in blocks_of(markdown) if block.kind == "table"]
    if not tables:
        raise NodeError("The Markdown text has no table.")
    return tables


def texts_of(table: Block) -> list[list[str]]:
    return [[plain(cell) for cell in row] for row in table.rows]


def lazily(module: str) -> Writer:
    """The ``write`` of a module with a library that is loaded when it is first needed; it takes the blocks."""

    def write(markdown: str) -> bytes:
        content: bytes = import_module(f"worker.tools.{module}").write(blocks_of(markdown))
        return content

    return write


def to_pdf(markdown: str) -> bytes:
    """Raises ``NodeError`` where the library is missing, which is not part of every installation."""
    try:
        return lazily("markdown_pdf")(markdown)
    except ImportError as error:
        raise NodeError(f"A PDF needs a library that is not installed ({error.name}): install penstock[pdf].") from None


PARAMETERS = (
    ToolParameter("md_text", required=True, description="The Markdown text"),
    ToolParameter("output_filename", description="Name of the file, with or without its extension"),
)

#: Tool -> (extension, writer).
EXPORTS: Mapping[str, tuple[str, Writer]] = {
    "md_to_docx": (".docx", lazily("markdown_docx")),
    "md_to_pdf": (".pdf", to_pdf),
    "md_to_xlsx": (".xlsx", lazily("markdown_xlsx")),
    "md_to_csv": (".csv", to_csv),
    "md_to_html": (".html", to_html),
    "md_to_json": (".json", to_json),
    "md_to_md": (".md", str.encode),
}

TOOLS = {
    **by_name(
        *(
            FunctionTool(name, f"Makes a {extension} file of a Markdown text.", PARAMETERS, export(extension, write))
            for name, (extension, write) in EXPORTS.items()
        )
    ),
    **by_name(FunctionTool("md_to_html_text", "Converts a Markdown text to HTML.", PARAMETERS[:1], html_text)),
}
