"""end: names values of the pool as outputs of the run (nodes.md section 6.2)."""

from __future__ import annotations

from typing import ClassVar

from worker.engine.node import NodeContext, NodeResult, NodeSpec
from worker.engine.variables import MISSING, Selector, VariablePool, plain
from worker.nodes.fields import Fields


class EndNode:
    is_pure: ClassVar[bool] = True
    is_branch: ClassVar[bool] = False

    def __init__(self, spec: NodeSpec) -> None:
        fields = Fields.of(spec)
        self._outputs = [(item.required_text("variable"), item.selector("value_selector")) for item in fields.items("outputs")]
        fields.check()
        self.segments = segments([selector for _, selector in self._outputs])

    def run(self, pool: VariablePool, context: NodeContext) -> NodeResult:
        outputs = {}
        for name, selector in self._outputs:
            value = pool.get(selector)
            outputs[name] = None if value is MISSING else plain(value)
        # They are both what the node was given and what it gives.
        return NodeResult(outputs, outputs)


def segments(selectors: list[Selector]) -> tuple[str | Selector, ...]:
    """What is streamed: the values, a line break between two outputs even where one has no selector, but none at the end."""
    parts = [part for selector in selectors for part in ("\n", selector) if part][1:]
    return tuple(parts[:-1] if parts and isinstance(parts[-1], str) else parts)


NODE = EndNode
