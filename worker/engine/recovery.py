"""What a node does with a failure that is final: its error strategy (nodes.md section 4.6)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from worker.engine.errors import Finding, GraphError, NodeError
from worker.engine.node import FAIL_BRANCH_HANDLE, SOURCE_HANDLE, NodeSpec


class Strategy(StrEnum):
    FAIL_BRANCH = "fail-branch"
    DEFAULT_VALUE = "default-value"


@dataclass(frozen=True, slots=True)
class Recovery:
    """How a node's failure is handled. Without a strategy the frame fails."""

    strategy: Strategy | None = None
    defaults: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, spec: NodeSpec) -> Recovery:
        """Raises ``GraphError`` for an unknown strategy or a default value of the wrong type."""
        name = spec.data.get("error_strategy")
        if not name:
            return cls()
        try:
            strategy = Strategy(name)
        except ValueError as error:
            raise _wrong(spec, f"error strategy {name!r} is unknown", "error_strategy") from error
        return cls(strategy, _defaults(spec) if strategy is Strategy.DEFAULT_VALUE else {})

    @property
    def handle(self) -> str:
        return FAIL_BRANCH_HANDLE if self.strategy is Strategy.FAIL_BRANCH else SOURCE_HANDLE

    def outputs(self, error: NodeError) -> dict[str, Any]:
        """Outputs that stand in for those of the failed node."""
        return {**self.defaults, "error_message": error.message, "error_type": error.error_type}


def _defaults(spec: NodeSpec) -> dict[str, Any]:
    items = spec.data.get("default_value") or []
    if not isinstance(items, list) or not all(isinstance(item, Mapping) and isinstance(item.get("key"), str) for item in items):
        raise _wrong(spec, "default_value must be a list of {key, type, value}", "default_value")
    return {item["key"]: _convert(spec, item) for item in items}


def _convert(spec: NodeSpec, item: Mapping[str, Any]) -> Any:
    kind, value = item.get("type"), item.get("value")
    try:
        return _typed(str(kind), value)
    except (ValueError, TypeError) as error:
        raise _wrong(spec, f"default value of '{item['key']}' is not of type {kind}", "default_value") from error


def _typed(kind: str, value: Any) -> Any:
    if kind == "string":
        return _checked(value, str)
    if kind == "number":
        return float(value) if isinstance(value, str) else _checked(value, (int, float))
    if kind == "object":
        return _checked(json.loads(value) if isinstance(value, str) else value, dict)
    if kind.startswith("array["):
        return _checked(json.loads(value) if isinstance(value, str) else value, list)
    return value


def _checked(value: Any, kind: type | tuple[type, ...]) -> Any:
    if not isinstance(value, kind):
        raise TypeError(value)
    return value


def _wrong(spec: NodeSpec, message: str, name: str) -> GraphError:
    return GraphError([Finding("invalid_node_data", message, node_id=spec.id, node_title=spec.title, path=f"{spec.path}.data.{name}")])
