"""code: runs the workflow's own Python or JavaScript on selected values (nodes.md section 6.5)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from worker.engine.errors import NodeError, Partial
from worker.engine.node import NodeContext, NodeResult, NodeSpec
from worker.engine.variables import File, FileURL, VariablePool, plain, to_json
from worker.nodes.code_outputs import CHECKS, Output, checked_result
from worker.nodes.fields import Fields
from worker.nodes.input_variables import gather, read_variables

PYTHON, JAVASCRIPT = "python3", "javascript"


class CodeNode:
    is_pure: ClassVar[bool] = False
    is_branch: ClassVar[bool] = False

    def __init__(self, spec: NodeSpec) -> None:
        fields = Fields.of(spec)
        self._language = fields.choice("code_language", (PYTHON, JAVASCRIPT), PYTHON)
        self._source = fields.text("code")
        self._variables = read_variables(fields)
        self._outputs = read_outputs(fields.mapping("outputs"))
        fields.check()

    def run(self, pool: VariablePool, context: NodeContext) -> NodeResult:
        inputs = gather(self._variables, pool)
        for variable in self._variables:
            if variable.is_file_list and inputs[variable.name] == []:
                inputs[variable.name] = None
        try:
            arguments = as_arguments(inputs, context.ports.files.url)
            result = context.ports.code.run(self._language, self._source, arguments, context.cancellation)
            return NodeResult(checked_result(result, self._outputs, context.ports.limits), inputs)
        except NodeError as error:
            error.partial = Partial(inputs)
            raise


def read_outputs(fields: Fields) -> dict[str, Output]:
    """The schema of ``outputs``, and of ``children`` inside it."""
    found = {}
    for name in fields.data:
        output = fields.mapping(name)
        children = read_outputs(output.mapping("children")) if output.value("children") else None
        found[name] = Output(output.choice("type", CHECKS), children)
    return found


def as_arguments(inputs: Mapping[str, Any], file_url: FileURL) -> dict[str, Any]:
    """As JSON: lists of files as lists of mappings; secrets plain."""
    if any(isinstance(value, File) for value in inputs.values()):
        # The reference server cannot pass a single file on; a list of files it can.
        raise NodeError("Type is not JSON serializable: File", error_type="TypeError")
    return {name: to_json(plain(value), file_url) for name, value in inputs.items()}


NODE = CodeNode
