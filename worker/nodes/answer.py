"""answer: a text with values in it, as markdown (nodes.md section 6.3)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from worker.engine.node import NodeContext, NodeResult, NodeSpec
from worker.engine.variables import File, VariablePool, markdown_of
from worker.nodes.fields import Fields


class AnswerNode:
    is_pure: ClassVar[bool] = True
    is_branch: ClassVar[bool] = False

    def __init__(self, spec: NodeSpec) -> None:
        fields = Fields.of(spec)
        self._answer = fields.template("answer")
        fields.check()
        #: What is streamed.
        self.segments = self._answer.parts

    def run(self, pool: VariablePool, context: NodeContext) -> NodeResult:
        return NodeResult({"answer": self._answer.render(pool, markdown_of), "files": list(self._files(pool))})

    def _files(self, pool: VariablePool) -> Iterator[File]:
        for selector in self._answer.selectors:
            value = pool.get(selector)
            yield from (item for item in (value if isinstance(value, list) else [value]) if isinstance(item, File))


NODE = AnswerNode
