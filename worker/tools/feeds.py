"""rookie_rss: the entries of an RSS or Atom feed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from worker.engine.errors import NodeError
from worker.engine.node import NodeContext
from worker.engine.tool_values import number
from worker.engine.tools import PARAMETER_ERROR, JSONMessage, TextMessage, ToolMessage, ToolParameter
from worker.tools.fetching import read_feed
from worker.tools.function_tool import FunctionTool, by_name

#: Names of the address and of the number of entries, as versions of the tool have them.
URLS = ("url", "rss_url", "feed_url")
LIMITS = ("limit", "max_results", "count")


def rookie_rss(parameters: Mapping[str, Any], context: NodeContext) -> Iterator[ToolMessage]:
    url = next((parameters[name] for name in URLS if parameters.get(name)), "")
    if not url:
        raise NodeError("tool parameter url not found in tool config", error_type=PARAMETER_ERROR)
    limit = next((number(parameters[name]) for name in LIMITS if name in parameters), None)
    feed = read_feed(url, context)
    entries = feed["entries"][: max(int(limit), 0)] if limit is not None else feed["entries"]
    yield TextMessage("\n\n".join(shown(entry) for entry in entries))
    yield JSONMessage({**feed, "entries": entries})


def shown(entry: Mapping[str, str]) -> str:
    lines = (f"## {entry['title']}", entry["published"], entry["link"], entry["summary"])
    return "\n".join(line for line in lines if line)


TOOLS = by_name(
    FunctionTool(
        "rookie_rss",
        "Reads the entries of an RSS or Atom feed.",
        (
            ToolParameter("url", description="Address of the feed"),
            *(ToolParameter(name, is_setting=True) for name in URLS[1:]),
            ToolParameter("limit", "number", description="Number of entries, the newest first in most feeds"),
            *(ToolParameter(name, "number", is_setting=True) for name in LIMITS[1:]),
        ),
        rookie_rss,
    )
)
