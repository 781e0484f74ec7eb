"""agent: a model that decides itself which tools it calls, and when it has the answer (nodes.md section 6.19)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from worker.engine.errors import NodeError, Partial
from worker.engine.models import CHAT, ModelRef
from worker.engine.node import NodeContext, NodeResult, NodeSpec
from worker.engine.spending import NOTHING_SPENT, Spending
from worker.engine.tools import ToolReference
from worker.engine.variables import VariablePool, text_of
from worker.nodes.agent_strategies import STRATEGIES, Session
from worker.nodes.agent_tools import Toolset, read_tools
from worker.nodes.agent_trace import Trace
from worker.nodes.fields import Fields
from worker.nodes.model_fields import ModelChoice, choice_of
from worker.nodes.tool_arguments import Argument, Variable, read_arguments
from worker.nodes.tool_outputs import NO_JSON

#: Rounds of an agent that does not say how many.
MAX_ITERATIONS = 3
#: Most that it gets, whatever it says.
ITERATION_LIMIT = 99

#: Parameters of strategies that speak to MCP servers on their own.
UNSUPPORTED = ("mcp_server", "mcp_servers", "mcp_servers_config", "servers_config")

#: Read in ways of their own.
STRUCTURED = frozenset({"model", "tools"})


class AgentNode:
    is_pure: ClassVar[bool] = False
    is_branch: ClassVar[bool] = False

    def __init__(self, spec: NodeSpec) -> None:
        fields = Fields.of(spec)
        self.node_id = spec.id
        self.strategy_name = fields.required_text("agent_strategy_name")
        self.strategy = STRATEGIES.get(self.strategy_name.lower())
        parameters = fields.mapping("agent_parameters")
        self._check_strategy(fields, parameters)
        self.model = AgentModel(parameters.mapping("model"))
        self.tools = read_tools(parameters.mapping("tools"))
        self.arguments = read_arguments(parameters, keeps_constants=False, others=STRUCTURED)
        fields.check()
        self.extras: Mapping[str, Any] = {}
        self.agent_strategy: Mapping[str, Any] | None = {"name": self.strategy_name, "icon": None}

    def _check_strategy(self, fields: Fields, parameters: Fields) -> None:
        if self.strategy is None:
            known = ", ".join(STRATEGIES)
            fields.report("agent_strategy_name", f"the agent strategy '{self.strategy_name}' is not supported, only {known}")
        for name in UNSUPPORTED:
            if parameters.value(name) is not None:
                parameters.report(
                    name, f"'{name}' is not supported: register the server with `penstock tools add-mcp` and name its tools in 'tools'"
                )

    @property
    def tool_references(self) -> tuple[ToolReference, ...]:
        return tuple(tool.reference for tool in self.tools)

    def run(self, pool: VariablePool, context: NodeContext) -> NodeResult:
        inputs = self._inputs(pool)
        trace = Trace(self.node_id, context)
        said: list[str] = []

        def on_text(piece: str) -> None:
            if piece:
                said.append(piece)
                context.stream("text", piece, False)

        session: Session | None = None
        try:
            session = self._session(pool, context, trace, on_text)
            assert self.strategy is not None
            self.strategy(session)
        except NodeError as error:
            spent = session.spending if session else NOTHING_SPENT
            process_data = {"agent_log": trace.entries()}
            error.tell(Partial(inputs, {}, process_data, spent.total_tokens, self._metadata(trace, spent)))
            raise
        context.stream("text", "", True)
        return self._result("".join(said), session, inputs)

    def _session(self, pool: VariablePool, context: NodeContext, trace: Trace, on_text: Callable[[str], None]) -> Session:
        """Raises ``NodeError``."""
        given = {name: argument.value(pool, required=True) for name, argument in self.arguments.items()}
        return Session(
            model=self.model.resolve(pool),
            pool=pool,
            instruction=text_of(given.get("instruction")),
            query=text_of(given.get("query")),
            max_iterations=iterations_of(given.get("maximum_iterations", given.get("max_iterations"))),
            tools=Toolset.of(self.tools, pool, context),
            trace=trace,
            context=context,
            on_text=on_text,
        )

    def _inputs(self, pool: VariablePool) -> dict[str, Any]:
        shown = {name: argument.shown(pool) for name, argument in self.arguments.items()}
        return {**shown, "model": self.model.shown, "tools": [str(reference) for reference in self.tool_references]}

    def _result(self, text: str, session: Session, inputs: Mapping[str, Any]) -> NodeResult:
        found, entries = session.tools.found, session.trace.entries()
        outputs = {
            **found.variables,
            "text": text,
            "usage": session.usage.to_json(),
            "files": found.files,
            "json": [*entries, *(found.json or NO_JSON)],
        }
        spent = session.spending
        return NodeResult(outputs, inputs, total_tokens=spent.total_tokens, metadata=self._metadata(session.trace, spent))

    def _metadata(self, trace: Trace, spent: Spending) -> dict[str, Any]:
        info = {"icon": None, "agent_strategy": self.strategy_name}
        return {"tool_info": info, "agent_log": trace.entries(), **spent.metadata()}


class AgentModel:
    """The parameter ``model``: a constant, or a variable that holds the same object."""

    def __init__(self, fields: Fields) -> None:
        self._variable: Argument | None = None
        if fields.value("type") == "variable":
            self._variable = Variable(fields.selector("value"))
        self._constant = fields.mapping("value").data if self._variable is None else {}
        if self._variable is None and not name_of(self._constant):
            fields.report("value", "the agent has no model")

    @property
    def shown(self) -> dict[str, Any]:
        return {"provider": self._constant.get("provider"), "model": name_of(self._constant)}

    def resolve(self, pool: VariablePool) -> ModelChoice:
        """Raises ``NodeError``."""
        chosen = self._constant if self._variable is None else self._variable.value(pool, required=True)
        if not isinstance(chosen, Mapping) or not name_of(chosen):
            raise NodeError("The agent has no model.")
        reference = ModelRef(str(chosen.get("provider") or ""), name_of(chosen), str(chosen.get("mode") or CHAT))
        return choice_of(reference, chosen.get("completion_params") or {})


def name_of(model: Mapping[str, Any]) -> str:
    return str(model.get("model") or model.get("name") or "")


def iterations_of(value: Any) -> int:
    try:
        wanted = int(float(value))
    except (TypeError, ValueError, OverflowError):
        wanted = MAX_ITERATIONS
    return min(max(wanted, 1), ITERATION_LIMIT)


NODE = AgentNode
