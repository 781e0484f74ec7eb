"""start: shows what a run was started with (nodes.md section 6.1)."""

from __future__ import annotations

from typing import Any, ClassVar

from worker.engine.form_variables import mistake_in
from worker.engine.node import NodeContext, NodeResult, NodeSpec
from worker.engine.variables import SYS, VariablePool
from worker.nodes.fields import Fields


class StartNode:
    is_pure: ClassVar[bool] = True
    is_branch: ClassVar[bool] = False

    def __init__(self, spec: NodeSpec) -> None:
        fields = Fields.of(spec)
        for index, declared in enumerate(fields.sequence("variables")):
            if mistake := mistake_in(declared):
                fields.report(f"variables[{index}]", mistake)
        fields.check()
        self._id = spec.id

    def run(self, pool: VariablePool, context: NodeContext) -> NodeResult:
        given = {**pool.node_values(self._id), **system_values(pool)}
        return NodeResult(given, given)


def system_values(pool: VariablePool) -> dict[str, Any]:
    """The system variables as nodes that begin a run show them; like the run's inputs they are in the pool before it begins."""
    return {f"{SYS}.{name}": value for name, value in pool.node_values(SYS).items()}


NODE = StartNode
