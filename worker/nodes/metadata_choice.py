"""Lets a model say which documents a query is about, by their metadata (nodes.md section 6.11, ``metadata_filtering_mode: automatic``)."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import json_repair

from worker.engine.knowledge import METADATA_OPERATORS, UNARY_OPERATORS, MetadataCondition, MetadataField
from worker.engine.models import COMPLETION, SYSTEM, USER, Message, ModelRequest, Usage
from worker.engine.node import NodeContext
from worker.engine.variables import VariablePool
from worker.nodes.model_fields import ModelChoice
from worker.nodes.thinking import without_thinking

INSTRUCTION = f"""\
You narrow a search down. The user's message has a query, today's date, and the metadata fields of the documents that are searched, with \
some of their values. Say which conditions the query puts on these fields: only what it says or plainly means, and no condition on what \
it merely looks for. Answer with one JSON object and nothing else:
{{"conditions": [{{"name": "FIELD", "comparison_operator": "OPERATOR", "value": "VALUE"}}]}}
OPERATOR is one of: {", ".join(METADATA_OPERATORS)}. \
Write values as they are written in the fields. Without any condition, the list is empty."""

#: Names under which models write the parts of a condition, ours first.
NAMES, VALUES = ("name", "metadata_field_name"), ("value", "metadata_field_value")


def choose_conditions(
    model: ModelChoice, query: str, fields: Sequence[MetadataField], pool: VariablePool, context: NodeContext
) -> tuple[Usage, list[MetadataCondition]]:
    """No conditions if there are no fields, or the answer has none that makes sense. Raises ``ModelError``."""
    if not fields:
        return Usage(), []
    request = model.request(_messages(model, query, fields, context.ports.clock.now()), pool)
    answer = context.ports.models.stream(_with_schema(request, fields, context), context.cancellation, lambda delta: None)
    return answer.usage, conditions_in(answer.text, {field.name for field in fields})


def _messages(model: ModelChoice, query: str, fields: Sequence[MetadataField], now: float) -> list[Message]:
    known = [{"name": field.name, "type": field.type, "values": list(field.values)} for field in fields]
    today = datetime.fromtimestamp(now, UTC).date().isoformat()
    asked = json.dumps({"query": query, "today": today, "fields": known}, ensure_ascii=False)
    if model.ref.mode == COMPLETION:
        return [Message.of(USER, f"{INSTRUCTION}\n\n{asked}\n")]
    return [Message.of(SYSTEM, INSTRUCTION), Message.of(USER, asked)]


def _with_schema(request: ModelRequest, fields: Sequence[MetadataField], context: NodeContext) -> ModelRequest:
    if not context.ports.models.features(request.model).json_schema:
        return request
    names = {"type": "string", "enum": [field.name for field in fields]}
    parts = {"name": names, "comparison_operator": {"type": "string", "enum": list(METADATA_OPERATORS)}, "value": {"type": "string"}}
    condition = {"type": "object", "properties": parts, "required": list(parts), "additionalProperties": False}
    whole = {"conditions": {"type": "array", "items": condition}}
    return replace(request, json_schema={"type": "object", "properties": whole, "required": list(whole), "additionalProperties": False})


def conditions_in(text: str, names: set[str]) -> list[MetadataCondition]:
    """Those that compare a field which there is, in a way which there is, with something."""
    found = json_repair.loads(without_thinking(text))
    if isinstance(found, Mapping):
        found = found.get("conditions", [found])
    items = found if isinstance(found, list) else []
    return [condition for item in items if isinstance(item, Mapping) for condition in _read(item, names)]


def _read(item: Mapping[str, Any], names: set[str]) -> Iterator[MetadataCondition]:
    name, value = (next((item[key] for key in keys if key in item), None) for keys in (NAMES, VALUES))
    operator = item.get("comparison_operator")
    if name not in names or operator not in METADATA_OPERATORS:
        return
    if operator in UNARY_OPERATORS:
        yield MetadataCondition(name, operator)
    elif isinstance(value, str | int | float) or _is_list_of_texts(value):
        yield MetadataCondition(name, operator, value)


def _is_list_of_texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)
