"""How an agent thinks: a model is asked again and again, and what it asks for in between is done (nodes.md section 6.19)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from worker.engine.errors import NodeError
from worker.engine.models import (
    ASSISTANT,
    SYSTEM,
    TOOL,
    USER,
    Answer,
    Delta,
    Message,
    TextPart,
    ToolCall,
    ToolSpec,
    Usage,
)
from worker.engine.node import NodeContext
from worker.engine.spending import Spending
from worker.engine.variables import VariablePool
from worker.nodes import agent_react as react
from worker.nodes.agent_tools import Toolset, arguments_of
from worker.nodes.agent_trace import Step, Trace
from worker.nodes.model_fields import ModelChoice


@dataclass(slots=True)
class Session:
    """One execution of an agent."""

    model: ModelChoice
    pool: VariablePool
    instruction: str
    query: str
    max_iterations: int
    tools: Toolset
    trace: Trace
    context: NodeContext
    #: Hears each piece of the text that is put out.
    on_text: Callable[[str], None]
    #: Of the agent's own model.
    usage: Usage = field(default_factory=Usage)

    @property
    def spending(self) -> Spending:
        """By the model, and by tools that asked models themselves."""
        return self.tools.found.spending + self.usage.spending

    def ask(
        self,
        messages: Sequence[Message],
        round_: Step,
        *,
        tools: Sequence[ToolSpec] = (),
        stop: Sequence[str] = (),
        on_delta: Callable[[Delta], None],
    ) -> Answer:
        """One answer of the model, as a step of the round. Raises ``ModelError``."""
        request = self.model.request(messages, self.pool, tools)
        request = replace(request, stop=(*request.stop, *stop))
        with self.trace.step(f"{request.model.name} Thought", round_) as step:
            answer = self.context.ports.models.stream(request, self.context.cancellation, on_delta)
            step.data = {"output": answer.text, "tool_name": [call.name for call in answer.tool_calls]}
            step.metadata = {"provider": request.model.provider, **answer.usage.metadata()}
        self.usage = self.usage.add(answer.usage)
        round_.data = {"output": answer.text}
        round_.metadata = answer.usage.metadata()
        return answer

    def act(self, name: str, arguments: str | Mapping[str, Any], round_: Step) -> str:
        """Call a tool; its failure is an observation too."""
        try:
            with self.trace.step(f"CALL {name}", round_, {"tool_name": name, "input": arguments}) as step:
                given = arguments_of(arguments) if isinstance(arguments, str) else arguments
                observation = self.tools.call(name, given)
                step.data = {"tool_name": name, "input": given, "output": observation}
                return observation
        except NodeError as error:
            self.tools.found.spending += error.partial.spending
            return f"tool invoke error: {error.message}"


def function_calling(session: Session) -> None:
    """Tools by the model's own means; in the last round it has none, so that it must answer."""
    messages = [Message.of(USER, session.query)]
    if session.instruction:
        messages.insert(0, Message.of(SYSTEM, session.instruction))
    specs = session.tools.specs()
    for number in range(1, session.max_iterations + 1):
        offered = specs if number < session.max_iterations else []
        with session.trace.step(f"ROUND {number}") as round_:
            answer = session.ask(messages, round_, tools=offered, on_delta=lambda delta: session.on_text(delta.text))
            calls = answer.tool_calls if offered else ()
            if not calls:
                return
            messages.append(Message(ASSISTANT, (TextPart(answer.text),) if answer.text else (), calls))
            messages += [answered(call, session.act(call.name, call.arguments, round_)) for call in calls]


def answered(call: ToolCall, observation: str) -> Message:
    return Message(TOOL, (TextPart(observation),), tool_call_id=call.id)


def reasoning_and_acting(session: Session) -> None:
    """Tools by a form of text that the instruction describes; for models that know no tools."""
    instruction = react.instruction(session.instruction, session.tools.specs())
    history = ""
    for number in range(1, session.max_iterations + 1):
        with session.trace.step(f"ROUND {number}") as round_:
            is_last = number == session.max_iterations
            messages = react.messages(instruction, session.query, history, is_last=is_last)
            answer = session.ask(messages, round_, stop=(react.STOP,), on_delta=lambda delta: None)
            decision = react.read(answer.text)
            if decision.is_final or is_last:
                session.on_text(decision.answer)
                return
            observation = session.act(decision.tool, decision.arguments, round_)
            history += f"{answer.text.strip()}\n{react.STOP} {observation}\n"


STRATEGIES: Mapping[str, Callable[[Session], None]] = {
    "function_calling": function_calling,
    "react": reasoning_and_acting,
}
