"""The tools that need no account anywhere: which there are, and where they live.

Providers are known by the last part of their id, so that ``time``, ``langgenius/time/time`` and a copy by another author are the same.
Modules are imported when a run first needs them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module

from worker.engine.tools import Tool, ToolNotFound, ToolReference

#: Provider types under which documents name tools that servers ship or install.
SHIPPED_TYPES = frozenset({"builtin", "plugin"})

#: Provider -> (module of this package, names of its tools).
PROVIDERS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "time": (
        "time_tools",
        ("current_time", "timezone_conversion", "weekday", "localtime_to_timestamp", "timestamp_to_localtime"),
    ),
    "webscraper": ("web_pages", ("webscraper",)),
    "jina": ("web_pages", ("jina_reader",)),
    "jina_tool": ("web_pages", ("jina_reader",)),
    "rookie_rss": ("feeds", ("rookie_rss",)),
    "json_process": ("json_process", ("parse", "json_insert", "json_delete", "json_replace")),
    # The name that test documents of the language use.
    "builtin": ("json_process", ("json_parse",)),
    "regex": ("regex", ("regex_extract",)),
    "code": ("code", ("simple_code",)),
    "md_exporter": (
        "markdown_export",
        ("md_to_docx", "md_to_pdf", "md_to_xlsx", "md_to_csv", "md_to_html", "md_to_html_text", "md_to_json", "md_to_md"),
    ),
}


class BuiltInTools:
    """``engine.tools.Tools`` of what every deployment has."""

    def find(self, reference: ToolReference) -> Tool:
        if reference.provider_type in SHIPPED_TYPES:
            for module, names in matching(reference.providers):
                if reference.name in names:
                    return load(module, reference.name)
            if any(True for _ in matching(reference.providers)):
                raise ToolNotFound(f"tool {reference} not found", advice_for(reference))
        raise ToolNotFound(f"tool provider {reference.provider} not found", advice_for(reference))


def matching(providers: tuple[str, ...]) -> Iterator[tuple[str, tuple[str, ...]]]:
    for provider in providers:
        if (found := PROVIDERS.get(provider.rpartition("/")[2])) is not None:
            yield found


def load(module: str, name: str) -> Tool:
    tools: Mapping[str, Tool] = import_module(f"worker.tools.{module}").TOOLS
    return tools[name]


def advice_for(reference: ToolReference) -> str:
    """What an operator can do about a missing tool."""
    name = (reference.providers or ("NAME",))[-1]
    if reference.provider_type == "workflow":
        return f"Import the app behind it and name it with `penstock tools add-workflow {name} APP`."
    if reference.provider_type == "api":
        return f"Register its OpenAPI description with `penstock tools add-api {name} FILE`."
    if reference.provider_type == "mcp":
        return f"Register its server with `penstock tools add-mcp {name} URL`."
    register = f"Register an HTTP API that does the same with `penstock tools add-api {name} FILE`"
    return f"{register}, or put an http-request or code node in its place."
