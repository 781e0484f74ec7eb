"""iteration-start, where each round of an iteration begins: nothing to configure, nothing to do (nodes.md section 6.22)."""

from __future__ import annotations

from typing import ClassVar

from worker.engine.node import NodeContext, NodeResult, NodeSpec
from worker.engine.variables import VariablePool


class MarkerNode:
    """A node that only marks a place in the graph."""

    is_pure: ClassVar[bool] = True
    is_branch: ClassVar[bool] = False

    def __init__(self, spec: NodeSpec) -> None:
        self.id = spec.id

    def run(self, pool: VariablePool, context: NodeContext) -> NodeResult:
        return NodeResult()


NODE = MarkerNode
