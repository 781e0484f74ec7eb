"""Values as texts for prompts: the context of an llm node, and Jinja2 variables in its inputs (nodes.md section 6.4)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from worker.engine.errors import NodeError
from worker.engine.variables import MISSING, FileURL, plain, text_of, to_json


def context_text(value: Any, file_url: FileURL) -> str:
    """What ``{{#context#}}`` becomes; empty for anything but a text or a list. Raises ``NodeError``."""
    if isinstance(value, str):
        return str(value)
    if value is MISSING or not isinstance(value, list):
        return ""
    return "\n".join(line for item in value for line in context_lines(item, file_url)).strip()


def context_lines(item: Any, file_url: FileURL) -> list[str]:
    if isinstance(item, str):
        return [str(item)]
    if not isinstance(item, Mapping) or "content" not in item:
        shown = to_json(plain(item), file_url)
        raise NodeError(f"Invalid context structure: {shown}", error_type="InvalidContextStructureError")
    lines = [item["summary"]] if item.get("summary") else []
    return [text_of(line, file_url) for line in (*lines, item["content"])]


def listed_text(value: Any, file_url: FileURL) -> str:
    """A Jinja2 variable as node inputs show it: the items of a list one per line."""
    if isinstance(value, list):
        return "\n".join(_item_text(item, file_url) for item in value)
    return text_of(value, file_url)


def _item_text(item: Any, file_url: FileURL) -> str:
    if isinstance(item, Mapping):
        metadata = item.get("metadata")
        if isinstance(metadata, Mapping) and metadata.get("_source") == "knowledge":
            return text_of(item.get("content"), file_url)
        return json.dumps(to_json(plain(dict(item)), file_url), ensure_ascii=False)
    return text_of(item, file_url)
