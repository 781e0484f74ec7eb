"""Answers of a given JSON schema, by Anthropic's API: as an output format, or by a tool that the model must call."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any

from anthropic import transform_schema

from worker.llm.drafts import ANSWER_INSTRUCTION, ANSWER_TOOL

#: Models that take an output format: all since 4.5.
FORMATTING = re.compile(r"(opus|sonnet|haiku)-4-[5-9]|(opus|sonnet|haiku|mythos|fable)-(\d\d|[5-9])(?!\d)|mythos-preview")

#: Of an object in a schema: where parts of a schema stand.
PARTS, LISTS, MAPS = ("items",), ("anyOf", "oneOf", "allOf"), ("properties", "$defs")


def with_schema(body: Mapping[str, Any], schema: Mapping[str, Any], model: str, refused: Collection[str]) -> dict[str, Any]:
    """What a body has besides, so that the answer fits the schema."""
    strict = strict_schema(schema) if FORMATTING.search(model) and "output_config" not in refused else None
    if strict is not None:
        return {"output_config": {**body.get("output_config", {}), "format": {"type": "json_schema", "schema": strict}}}
    tool = {"name": ANSWER_TOOL, "description": ANSWER_INSTRUCTION, "input_schema": dict(schema)}
    # While it thinks, a model cannot be made to call a tool.
    choice = {"type": "auto"} if "thinking" in body else {"type": "tool", "name": ANSWER_TOOL}
    return {"tools": [tool], "tool_choice": choice}


def strict_schema(schema: Mapping[str, Any]) -> dict[str, Any] | None:
    """The schema in the part of the language that output formats take; None if that cannot say what it says."""
    if not is_closed(schema):
        return None
    try:
        return transform_schema(dict(schema))
    except (AssertionError, AttributeError, TypeError, ValueError):
        # What the vendor's function raises for words that it does not know.
        return None


def is_closed(schema: Any) -> bool:
    """Every object has names for all that it may hold, and every reference leads to ``$defs``: nothing else can be said."""
    if not isinstance(schema, Mapping):
        return True
    if schema.get("type") == "object" and not schema.get("properties"):
        return False
    if schema.get("additionalProperties") or "definitions" in schema:
        return False
    inner = [schema[name] for name in PARTS if name in schema]
    inner += [part for name in LISTS for part in schema.get(name) or ()]
    inner += [part for name in MAPS for part in (schema.get(name) or {}).values()]
    return all(map(is_closed, inner))
