"""trigger-plugin: an entry that an event of some plugin would begin runs at (nodes.md section 6.21); none of them is at hand here."""

from __future__ import annotations

from typing import ClassVar

from worker.engine.node import NodeContext, NodeResult, NodeSpec
from worker.engine.variables import VariablePool
from worker.nodes.start import system_values


class TriggerNode:
    """An entry that shows what its run was started with, as the start node does."""

    is_pure: ClassVar[bool] = True
    is_branch: ClassVar[bool] = False

    def __init__(self, spec: NodeSpec) -> None:
        self._id = spec.id

    def run(self, pool: VariablePool, context: NodeContext) -> NodeResult:
        given = {**pool.node_values(self._id), **system_values(pool)}
        return NodeResult(given, given)


NODE = TriggerNode
