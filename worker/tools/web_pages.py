"""webscraper and jina_reader: the readable text of a web page, fetched by ourselves."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from worker.engine.errors import NodeError
from worker.engine.node import NodeContext
from worker.engine.tools import TextMessage, ToolMessage, ToolParameter
from worker.tools.fetching import read_page
from worker.tools.function_tool import FunctionTool, by_name

#: Retries of ``jina_reader``.
MAX_RETRIES = 10


def webscraper(parameters: Mapping[str, Any], context: NodeContext) -> Iterator[ToolMessage]:
    page = read_page(parameters["url"], context, parameters.get("user_agent", ""))
    yield TextMessage(f"TITLE: {page.title}\nTEXT:\n\n{page.text}")


def jina_reader(parameters: Mapping[str, Any], context: NodeContext) -> Iterator[ToolMessage]:
    tries = min(max(int(parameters["max_retries"]), 0), MAX_RETRIES) + 1
    for number in range(1, tries + 1):
        try:
            page = read_page(parameters["url"], context)
            break
        except NodeError:
            if number == tries or context.cancellation.wait(number * 0.2):
                raise
    yield TextMessage(f"Title: {page.title}\n\nURL Source: {page.url}\n\nMarkdown Content:\n{page.text}")


URL = ToolParameter("url", required=True, description="Address of the page")

TOOLS = by_name(
    FunctionTool(
        "webscraper",
        "Reads the text of a web page.",
        (URL, ToolParameter("user_agent", is_setting=True)),
        webscraper,
    ),
    FunctionTool(
        "jina_reader",
        "Reads a web page as Markdown.",
        (URL, ToolParameter("max_retries", "number", default=0, is_setting=True)),
        jina_reader,
    ),
)
