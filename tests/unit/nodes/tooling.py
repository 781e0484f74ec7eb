"""What tool and agent nodes need in their tests: scripted tools, a scripted model, and a context that keeps what it is told."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from tests.unit.nodes.http_world import EXECUTION_ID, RUN_ID, MemoryFiles
from worker.engine.events import ROOT, AgentLog
from worker.engine.inbox import Inbox
from worker.engine.memory import SystemClock
from worker.engine.models import Answer, Delta, Features, ModelRequest, ToolCall, Usage
from worker.engine.node import NodeContext
from worker.engine.ports import Ports
from worker.engine.tools import TextMessage, Tool, ToolMessage, ToolNotFound, ToolParameter, ToolReference
from worker.engine.variables import VariablePool


@dataclass
class ScriptedTool:
    name: str = "echo"
    description: str = "Says what it is given."
    parameters: Sequence[ToolParameter] = (ToolParameter("text"),)
    answer: Callable[[Mapping[str, Any]], Iterable[ToolMessage]] = lambda given: [TextMessage(f"echo {given}")]
    calls: list[dict[str, Any]] = field(default_factory=list)

    def invoke(self, parameters: Mapping[str, Any], context: NodeContext) -> Iterable[ToolMessage]:
        self.calls.append(dict(parameters))
        return self.answer(parameters)


@dataclass
class ScriptedTools:
    tools: dict[str, ScriptedTool] = field(default_factory=dict)

    def add(self, tool: ScriptedTool) -> ScriptedTool:
        self.tools[tool.name] = tool
        return tool

    def find(self, reference: ToolReference) -> Tool:
        if reference.name not in self.tools:
            raise ToolNotFound(f"tool provider {reference.provider} not found", "Bring your own.")
        return self.tools[reference.name]


def call(name: str, arguments: str, call_id: str = "call-1") -> ToolCall:
    return ToolCall(call_id, name, arguments)


def said(text: str = "", *calls: ToolCall, tokens: int = 10) -> Answer:
    usage = Usage(prompt_tokens=tokens, completion_tokens=1, total_price=Decimal("0.001"))
    return Answer(text, tool_calls=calls, usage=usage, finish_reason="tool_calls" if calls else "stop")


@dataclass
class ScriptedModels:
    """Answers in turn; keeps the requests."""

    answers: list[Answer | Exception]
    requests: list[ModelRequest] = field(default_factory=list)

    def features(self, model: Any) -> Features:
        return Features()

    def stream(self, request: ModelRequest, cancellation: Any, on_delta: Callable[[Delta], None]) -> Answer:
        self.requests.append(ModelRequest(request.model, list(request.messages), request.parameters, request.stop, request.tools))
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        middle = len(answer.text) // 2
        for piece in (answer.text[:middle], answer.text[middle:]):
            on_delta(Delta(piece))
        return answer


class World:
    def __init__(self, *answers: Answer | Exception, **ports: Any) -> None:
        self.pool = VariablePool()
        self.files = MemoryFiles()
        self.tools = ScriptedTools()
        self.models = ScriptedModels(list(answers))
        self.inbox = Inbox()
        self.chunks: list[tuple[str, str, bool]] = []
        self.logs: list[AgentLog] = []
        self.ports = ports

    @property
    def context(self) -> NodeContext:
        usual = {"http": None, "code": None, "templates": None, "documents": None, "files": self.files, "clock": SystemClock()}
        ports = Ports(**{**usual, "models": self.models, "tools": self.tools, **self.ports})
        return NodeContext(
            RUN_ID, "app-1", EXECUTION_ID, ROOT, ports, self.inbox, stream=lambda *chunk: self.chunks.append(chunk), log=self.logs.append
        )

    @property
    def streamed(self) -> str:
        return "".join(text for key, text, _ in self.chunks if key == "text")
