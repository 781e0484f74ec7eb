"""variable-aggregator: the first of several variables that has a value, for joining branches (nodes.md section 6.12)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from worker.engine.node import NodeContext, NodeResult, NodeSpec
from worker.engine.variables import MISSING, Selector, VariablePool
from worker.nodes.fields import Fields

OUTPUT = "output"


class VariableAggregatorNode:
    is_pure: ClassVar[bool] = True
    is_branch: ClassVar[bool] = False

    def __init__(self, spec: NodeSpec) -> None:
        fields = Fields.of(spec)
        settings = fields.mapping("advanced_settings")
        #: Candidates by group; None: one group without a name.
        self._groups = _read_groups(settings) if settings.flag("group_enabled") else None
        self._candidates = fields.selectors("variables")
        fields.check()

    def run(self, pool: VariablePool, context: NodeContext) -> NodeResult:
        if self._groups is None:
            return NodeResult(*_choose(self._candidates, pool))
        chosen = {name: _choose(candidates, pool) for name, candidates in self._groups.items()}
        shown = {name: value for _, inputs in chosen.values() for name, value in inputs.items()}
        return NodeResult({name: outputs for name, (outputs, _) in chosen.items() if outputs}, shown)


def _read_groups(settings: Fields) -> dict[str, list[Selector]]:
    return {group.required_text("group_name"): group.selectors("variables") for group in settings.items("groups")}


def _choose(candidates: Sequence[Selector], pool: VariablePool) -> tuple[dict[str, Any], dict[str, Any]]:
    """Output and input of a group: those of its first candidate that is there, a null included; empty if none is."""
    for selector in candidates:
        value = pool.get(selector)
        if value is not MISSING:
            return {OUTPUT: value}, {".".join(selector[1:]): value}
    return {}, {}


NODE = VariableAggregatorNode
