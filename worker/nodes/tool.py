"""tool: calls one tool of the deployment (nodes.md section 6.13)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from worker.engine.credentials import names_credential
from worker.engine.errors import NodeError, Partial
from worker.engine.masking import mask
from worker.engine.node import NodeContext, NodeResult, NodeSpec
from worker.engine.spending import NOTHING_SPENT, Spending
from worker.engine.tool_values import prepare
from worker.engine.tools import INVOKE_ERROR, RUNTIME_ERROR, Tool, ToolReference, icon_of
from worker.engine.variables import VariablePool
from worker.nodes.fields import Fields
from worker.nodes.tool_arguments import read_arguments
from worker.nodes.tool_outputs import Collected, collect

PROVIDER_TYPES = ("builtin", "plugin", "workflow", "api", "app", "mcp", "dataset-retrieval")


class ToolNode:
    is_pure: ClassVar[bool] = False
    is_branch: ClassVar[bool] = False

    def __init__(self, spec: NodeSpec) -> None:
        fields = Fields.of(spec)
        provider_type = fields.choice("provider_type", PROVIDER_TYPES, "builtin")
        self.reference = ToolReference(provider_type, providers_of(fields), fields.required_text("tool_name"))
        self.arguments = read_arguments(fields.mapping("tool_parameters"), keeps_constants=False)
        self.settings = read_arguments(fields.mapping("tool_configurations"), keeps_constants=True)
        self.tool_info = {
            "provider_type": provider_type,
            "provider_id": fields.text("provider_id"),
            "plugin_unique_identifier": fields.text("plugin_unique_identifier") or None,
        }
        fields.check()
        self.extras: Mapping[str, Any] = {"icon": icon_of(spec.data)}
        self.agent_strategy: Mapping[str, Any] | None = None

    @property
    def tool_references(self) -> tuple[ToolReference, ...]:
        return (self.reference,)

    def run(self, pool: VariablePool, context: NodeContext) -> NodeResult:
        try:
            tool = context.ports.tools.find(self.reference)
        except NodeError as error:
            raise NodeError(f"Failed to get tool runtime: {error.message}", error_type=RUNTIME_ERROR) from error
        inputs = {name: shown(name, argument.shown(pool)) for name, argument in self.arguments.items()}
        try:
            return self._result(self._call(tool, pool, context), inputs)
        except NodeError as error:
            error.tell(Partial(inputs=inputs, metadata=self._metadata(NOTHING_SPENT)))
            raise

    def _call(self, tool: Tool, pool: VariablePool, context: NodeContext) -> Collected:
        parameters = prepare(tool.parameters, self._given(tool, pool))
        try:
            found = collect(tool.invoke(parameters, context), context, lambda piece: context.stream("text", piece, False))
        except NodeError as error:
            told = f"Failed to invoke tool: {error.message}"
            raise NodeError(told, error_type=INVOKE_ERROR, partial=Partial.costing(error.partial.spending)) from error
        context.stream("text", "", True)
        return found

    def _given(self, tool: Tool, pool: VariablePool) -> Mapping[str, Any]:
        """Settings, overruled by parameters. Raises ``NodeError``."""
        required = {parameter.name for parameter in tool.parameters if parameter.required}
        given: dict[str, Any] = {}
        for name, argument in (*self.settings.items(), *self.arguments.items()):
            value = argument.value(pool, required=name in required)
            if value is not None:
                given[name] = value
        return given

    def _result(self, found: Collected, inputs: Mapping[str, Any]) -> NodeResult:
        spent = found.spending
        return NodeResult(found.outputs(), inputs, total_tokens=spent.total_tokens, metadata=self._metadata(spent))

    def _metadata(self, spent: Spending) -> dict[str, Any]:
        """Tokens and price only where the tool told of any."""
        return {"tool_info": self.tool_info, **(spent.metadata() if spent != NOTHING_SPENT else {})}


def shown(name: str, value: Any) -> Any:
    """A parameter as events may have it."""
    return mask(value) if isinstance(value, str) and names_credential(name) else value


def providers_of(fields: Fields) -> tuple[str, ...]:
    """The id, then the name, which says more where the id is that of a row in the database of the exporting server."""
    names = (fields.text("provider_id"), fields.text("provider_name"))
    if not any(names):
        fields.report("provider_id", "'provider_id' is required")
    return tuple(dict.fromkeys(name for name in names if name))


NODE = ToolNode
