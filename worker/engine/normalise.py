"""Old and loose shapes of a node's ``data`` made into the one shape that node classes read (dsl.md section 11)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

Data = Mapping[str, Any]

#: Names of one type under two eras.
TYPE_ALIASES = {"variable-assigner": "variable-aggregator"}

#: By the type of the node that an edge leaves: names of one exit.
HANDLE_ALIASES: Mapping[str, Mapping[str, str]] = {"human-input": {"__timeout__": "__timeout"}}

ITERATION_DEFAULTS: Data = {"is_parallel": False, "parallel_nums": 10, "error_handle_mode": "terminated", "flatten_output": True}
VISION_DEFAULTS: Data = {"variable_selector": ["sys", "files"], "detail": "high"}
FORM_BODIES = ("form-data", "x-www-form-urlencoded")


def normalise_data(node_type: str, data: Data) -> Data:
    """The data of a node in its newest shape; unknown keys stay. Values of a wrong type are left for the node class to report."""
    change = CHANGES.get(node_type)
    return change(data) if change else data


def identifier(value: Any) -> str:
    """An id, handle or version as text: YAML reads an unquoted ``true`` or ``17`` as something else. Empty for anything else."""
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, str | int | float) else ""


def _if_else(data: Data) -> Data:
    cases = data.get("cases")
    if not cases and data.get("conditions"):
        cases = [{"case_id": "true", "logical_operator": data.get("logical_operator"), "conditions": data["conditions"]}]
    if not isinstance(cases, list):
        return data
    # The conditions of the old shape, stored beside the cases by later editors, count no more.
    kept = {key: value for key, value in data.items() if key not in ("conditions", "logical_operator")}
    return {**kept, "cases": [_case(case) if isinstance(case, Mapping) else case for case in cases]}


def _case(case: Data) -> Data:
    return {**case, "case_id": identifier(case.get("case_id")) or identifier(case.get("id"))}


def _iteration(data: Data) -> Data:
    given = {key: value for key, value in data.items() if value is not None}
    return _lower_type({**ITERATION_DEFAULTS, **given}, "output_type")


def _http_request(data: Data) -> Data:
    body = data.get("body")
    if not isinstance(body, Mapping) or not isinstance(body.get("data"), str):
        return data
    items = _form_items(body["data"]) if body.get("type") in FORM_BODIES else [_text_item("", body["data"])]
    return {**data, "body": {**body, "data": items}}


def _form_items(text: str) -> list[Data]:
    """One item a line of ``key:value``: what a form body was before it became a list."""
    pairs = (line.partition(":") for line in text.splitlines() if line.strip())
    return [_text_item(key.strip(), value.strip()) for key, _, value in pairs]


def _text_item(key: str, value: str) -> Data:
    return {"key": key, "type": "text", "value": value}


def _parameter_extractor(data: Data) -> Data:
    parameters = data.get("parameters")
    if not isinstance(parameters, list):
        return data
    return {**data, "parameters": [_parameter(item) if isinstance(item, Mapping) else item for item in parameters]}


def _parameter(item: Data) -> Data:
    renamed = {"bool": "boolean", "select": "string"}
    kind = item.get("type")
    return {**item, "type": renamed.get(kind, kind)} if isinstance(kind, str) else item


def _llm(data: Data) -> Data:
    changed = dict(data)
    vision = data.get("vision")
    if isinstance(vision, Mapping) and vision.get("configs") is None:
        changed["vision"] = {**vision, "configs": VISION_DEFAULTS}
    if data.get("prompt_config") is None:
        changed["prompt_config"] = {}
    if "structured_output_switch_on" not in data:
        changed["structured_output_switch_on"] = data.get("structured_output_enabled", False)
    return changed


def _tool(data: Data) -> Data:
    parameters = data.get("tool_parameters")
    if not isinstance(parameters, Mapping):
        return data
    return {**data, "tool_parameters": {name: entry for name, entry in parameters.items() if _has_value(entry)}}


def _has_value(entry: Any) -> bool:
    return entry.get("value") is not None if isinstance(entry, Mapping) else entry is not None


def _end(data: Data) -> Data:
    outputs = data.get("outputs")
    if not isinstance(outputs, list):
        return data
    return {**data, "outputs": [_lower_type(item, "value_type") if isinstance(item, Mapping) else item for item in outputs]}


def _code(data: Data) -> Data:
    outputs = data.get("outputs")
    if not isinstance(outputs, Mapping):
        return data
    return {**data, "outputs": {name: _lower_type(item, "type") if isinstance(item, Mapping) else item for name, item in outputs.items()}}


def _aggregator(data: Data) -> Data:
    return _lower_type(data, "output_type")


def _lower_type(data: Data, key: str) -> Data:
    """``Array[File]`` was written before ``array[file]``."""
    return {**data, key: data[key].lower()} if isinstance(data.get(key), str) else data


CHANGES: Mapping[str, Callable[[Data], Data]] = {
    "code": _code,
    "end": _end,
    "http-request": _http_request,
    "if-else": _if_else,
    "iteration": _iteration,
    "llm": _llm,
    "parameter-extractor": _parameter_extractor,
    "tool": _tool,
    "variable-aggregator": _aggregator,
}
