"""template-transform: a text made by a Jinja2 template (nodes.md section 6.6)."""

from __future__ import annotations

from typing import ClassVar

from worker.engine.errors import NodeError, Partial
from worker.engine.node import NodeContext, NodeResult, NodeSpec
from worker.engine.variables import VariablePool, plain, to_json
from worker.nodes.bounded_template import BoundedTemplate
from worker.nodes.fields import Fields
from worker.nodes.input_variables import gather, read_variables


class TemplateTransformNode:
    """A template that is provably bounded is rendered here; any other one where the code of workflows runs."""

    is_branch: ClassVar[bool] = False

    def __init__(self, spec: NodeSpec) -> None:
        fields = Fields.of(spec)
        self._source = fields.text("template")
        self._variables = read_variables(fields)
        fields.check()
        self._bounded = BoundedTemplate.of(self._source)
        #: Rendering elsewhere takes time, so the run's loop must not wait for it.
        self.is_pure = self._bounded is not None

    def run(self, pool: VariablePool, context: NodeContext) -> NodeResult:
        inputs = gather(self._variables, pool)
        try:
            return NodeResult({"output": self._render(inputs, context)}, inputs)
        except NodeError as error:
            error.partial = Partial(inputs)
            raise

    def _render(self, inputs: dict[str, object], context: NodeContext) -> str:
        values = {name: to_json(plain(value), context.ports.files.url) for name, value in inputs.items()}
        if self._bounded is not None:
            return self._bounded.render(values, context.ports.limits.template_transform_max_length)
        return context.ports.templates.render(self._source, values, context.cancellation)


NODE = TemplateTransformNode
