"""Tools: what tool nodes call, and what agents let a model call (nodes.md sections 6.13 and 6.19).

A tool takes parameters by name and answers messages in order: texts, links, JSON, files, variables. Where it comes from (built in, an
OpenAPI description, an MCP server, another app) is its provider's business; nodes find it by reference.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from worker.engine.errors import Finding, NodeError
from worker.engine.spending import Spending
from worker.engine.values import File

if TYPE_CHECKING:
    from worker.engine.graph import Graph
    from worker.engine.node import NodeContext

#: Class names that fail-branches see (nodes.md section 4.6).
RUNTIME_ERROR = "ToolRuntimeInvocationError"
INVOKE_ERROR = "ToolInvokeError"
PARAMETER_ERROR = "ToolParameterError"

#: Code of the finding about a tool that this deployment does not have.
UNSUPPORTED_TOOL = "unsupported_tool"


#: Of a tool whose own icon is not part of the document.
TOOL_ICON: Mapping[str, str] = {"background": "#252525", "content": "\U0001f527"}


def icon_of(data: Mapping[str, Any]) -> Any:
    """An address or an emoji that the editor left in a tool node, or the general one."""
    return data.get("provider_icon") or dict(TOOL_ICON)


@dataclass(frozen=True, slots=True)
class ToolReference:
    """How a document names a tool."""

    #: ``builtin``, ``plugin``, ``api``, ``workflow``, ``mcp`` ...
    provider_type: str
    #: Names that may stand for the provider, the most exact one first: its id, then its name.
    providers: tuple[str, ...]
    name: str

    @property
    def provider(self) -> str:
        return self.providers[0] if self.providers else ""

    def __str__(self) -> str:
        return f"{self.provider}/{self.name}"


@dataclass(frozen=True, slots=True)
class ToolParameter:
    name: str
    #: ``string``, ``select``, ``secret-input``, ``boolean``, ``number``, ``file``, ``files``, ``array``, ``object`` or ``any``.
    type: str = "string"
    required: bool = False
    default: Any = None
    #: For models, which decide by it what to put in.
    description: str = ""
    options: tuple[str, ...] = ()
    #: Set in the document; a model never gives it.
    is_setting: bool = False
    #: JSON schema of the value where ``type`` alone says too little.
    schema: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class TextMessage:
    text: str


@dataclass(frozen=True, slots=True)
class LinkMessage:
    url: str


@dataclass(frozen=True, slots=True)
class JSONMessage:
    value: Any


@dataclass(frozen=True, slots=True)
class BlobMessage:
    """A new file, as bytes."""

    content: bytes
    mime_type: str
    #: With dot.
    extension: str
    #: Empty: the file store makes up a name.
    filename: str = ""


@dataclass(frozen=True, slots=True)
class FileMessage:
    """A file that exists."""

    file: File


@dataclass(frozen=True, slots=True)
class VariableMessage:
    """A value of its own among the outputs."""

    name: str
    value: Any


@dataclass(frozen=True, slots=True)
class UsageMessage:
    """What models that the tool asked used and cost."""

    spending: Spending


ToolMessage = TextMessage | LinkMessage | JSONMessage | BlobMessage | FileMessage | VariableMessage | UsageMessage


class Tool(Protocol):
    @property
    def name(self) -> str: ...

    @property
    def description(self) -> str:
        """For models, which decide by it whether to call the tool."""

    @property
    def parameters(self) -> Sequence[ToolParameter]: ...

    def invoke(self, parameters: Mapping[str, Any], context: NodeContext) -> Iterable[ToolMessage]:
        """Call it. ``parameters`` are cast to their types; those without a value are left out. Raises ``NodeError``."""


class Tools(Protocol):
    """Every tool of a deployment."""

    def find(self, reference: ToolReference) -> Tool:
        """Raises ``ToolNotFound``."""


class ToolNotFound(NodeError):
    """There is no such tool here. ``advice`` is a sentence for the operator: what to do about it."""

    code = "tool_not_found"
    error_type = RUNTIME_ERROR

    def __init__(self, message: str, advice: str = "") -> None:
        super().__init__(message)
        self.advice = advice


class NoTools:
    """A deployment without any tool."""

    def find(self, reference: ToolReference) -> Tool:
        raise ToolNotFound(f"tool provider {reference.provider} not found")


@runtime_checkable
class ToolUser(Protocol):
    """What a node class offers that calls tools which its document names."""

    @property
    def tool_references(self) -> Sequence[ToolReference]: ...


def missing_tools(graph: Graph, tools: Tools) -> list[Finding]:
    """An error for each tool that the graph's nodes name and that is not there, with what to do about it."""
    found = []
    for node in graph.nodes.values():
        for reference in node.node.tool_references if isinstance(node.node, ToolUser) else ():
            try:
                tools.find(reference)
            except ToolNotFound as error:
                message = f"the tool '{reference.name}' of '{reference.provider}' is not available here. {error.advice}".strip()
                spec = node.spec
                found.append(Finding(UNSUPPORTED_TOOL, message, node_id=spec.id, node_title=spec.title or None, path=f"{spec.path}.data"))
    return found
