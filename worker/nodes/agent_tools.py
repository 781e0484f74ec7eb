"""The tools that an agent may call: what the document says of each, what the model is told, and the call itself."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import json_repair

from worker.engine.errors import NodeError
from worker.engine.models import ToolSpec
from worker.engine.node import NodeContext
from worker.engine.tool_values import prepare
from worker.engine.tools import Tool, ToolParameter, ToolReference
from worker.engine.variables import VariablePool, file_from_json, is_file_json
from worker.nodes.fields import Fields
from worker.nodes.tool_arguments import Argument, argument_of, kind_and_value
from worker.nodes.tool_outputs import Collected, collect

#: Type of a parameter -> JSON schema for models.
SCHEMAS: Mapping[str, Mapping[str, Any]] = {
    "number": {"type": "number"},
    "boolean": {"type": "boolean"},
    "array": {"type": "array", "items": {}},
    "object": {"type": "object"},
    "files": {"type": "array", "items": {"type": "string"}},
}


@dataclass(frozen=True, slots=True)
class AgentTool:
    """A tool as an agent's document has it."""

    reference: ToolReference
    #: Replaces the tool's own description.
    description: str
    #: Values that the document fixes; the model neither sees nor gives them.
    fixed: Mapping[str, Argument]
    #: Values for what the model leaves out.
    usual: Mapping[str, Any]


@dataclass(slots=True)
class Toolset:
    """The tools of one execution, ready to be called; ``found`` gathers what they sent besides text."""

    tools: Mapping[str, tuple[AgentTool, Tool]]
    pool: VariablePool
    context: NodeContext
    found: Collected = field(default_factory=Collected)

    @classmethod
    def of(cls, declared: Iterable[AgentTool], pool: VariablePool, context: NodeContext) -> Toolset:
        """Raises ``NodeError`` for a tool that is not there."""
        return cls({item.reference.name: (item, context.ports.tools.find(item.reference)) for item in declared}, pool, context)

    def specs(self) -> list[ToolSpec]:
        return [ToolSpec(name, item.description or tool.description, schema_of(item, tool)) for name, (item, tool) in self.tools.items()]

    def call(self, name: str, arguments: Mapping[str, Any]) -> str:
        """What the tool says, for the model. Raises ``NodeError``."""
        if name not in self.tools:
            raise NodeError(f"there is not a tool named {name}")
        item, tool = self.tools[name]
        fixed = {key: argument.value(self.pool, required=False) for key, argument in item.fixed.items()}
        known = {key: value for key, value in fixed.items() if value is not None}
        given = {key: with_files(value) for key, value in arguments.items()}
        parameters = prepare(tool.parameters, {**item.usual, **given, **known})
        sent = collect(tool.invoke(parameters, self.context), self.context, lambda text: None)
        self._keep(sent)
        return observation_of(sent)

    def _keep(self, sent: Collected) -> None:
        self.found.files += sent.files
        self.found.json += sent.json
        self.found.variables.update(sent.variables)
        self.found.spending += sent.spending


def observation_of(sent: Collected) -> str:
    """The text of a tool; of one that sent none its JSON; and the names of its files."""
    parts = [sent.text or "\n".join(json.dumps(value, ensure_ascii=False, default=str) for value in sent.json)]
    parts += [f"The file {file.filename} was created and is given to the user." for file in sent.files]
    return "\n".join(part for part in parts if part) or "The tool answered nothing."


def with_files(value: Any) -> Any:
    return file_from_json(value) if is_file_json(value) else value


def schema_of(item: AgentTool, tool: Tool) -> dict[str, Any]:
    shown = [parameter for parameter in tool.parameters if not parameter.is_setting and parameter.name not in item.fixed]
    required = [parameter.name for parameter in shown if parameter.required and parameter.name not in item.usual]
    return {"type": "object", "properties": {parameter.name: property_of(parameter) for parameter in shown}, "required": required}


def property_of(parameter: ToolParameter) -> dict[str, Any]:
    found = dict(parameter.schema or SCHEMAS.get(parameter.type, {"type": "string"}))
    if parameter.description:
        found["description"] = parameter.description
    if parameter.options:
        found["enum"] = list(parameter.options)
    return found


def arguments_of(text: str) -> dict[str, Any]:
    """The object that a model wrote, mended where it is broken. Raises ``NodeError`` if it is none."""
    if not text.strip():
        return {}
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        found = json_repair.loads(text)
    if not isinstance(found, dict):
        raise NodeError(f"the arguments are not a JSON object: {text[:200]}")
    return found


def read_tools(fields: Fields) -> list[AgentTool]:
    """The enabled entries of ``tools.value``."""
    return [read_tool(item) for item in fields.items("value") if item.value("enabled", True)]


def read_tool(fields: Fields) -> AgentTool:
    providers = tuple(dict.fromkeys(name for key in ("provider_name", "provider_id") if (name := fields.text(key))))
    if not providers:
        fields.report("provider_name", "'provider_name' is required")
    reference = ToolReference(fields.text("type", "builtin"), providers, fields.required_text("tool_name"))
    parameters = fields.mapping("parameters")
    chosen = {name: entry for name, entry in parameters.data.items() if not isinstance(entry, Mapping) or entry.get("auto")}
    usual = {str(name): entry for name, entry in chosen.items() if not isinstance(entry, Mapping) and entry not in (None, "")}
    fixed = {**fixed_values(fields.mapping("settings"), ()), **fixed_values(parameters, chosen)}
    return AgentTool(reference, fields.mapping("extra").text("description"), fixed, usual)


def fixed_values(fields: Fields, others: Collection[str]) -> dict[str, Argument]:
    """All but ``others``; values are ``{value}``, ``{value: {type, value}}``, ``{type, value}`` or bare. Nulls are left out."""
    found = {}
    for name, entry in fields.data.items():
        value = entry.get("value") if isinstance(entry, Mapping) and "type" not in entry else entry
        kind, inner = kind_and_value(value, "constant")
        if inner is not None and name not in others:
            found[str(name)] = argument_of(fields, str(name), kind, inner, keeps_constants=True)
    return found
