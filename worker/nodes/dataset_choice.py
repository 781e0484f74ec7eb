"""Lets a model say which one of several datasets a query belongs to (nodes.md section 6.11, ``retrieval_mode: single``)."""

from __future__ import annotations

from collections.abc import Sequence

from worker.engine.knowledge import Dataset
from worker.engine.models import SYSTEM, USER, Message, ToolSpec, Usage
from worker.engine.node import NodeContext
from worker.engine.variables import VariablePool
from worker.nodes.model_fields import ModelChoice

INSTRUCTION = (
    "Each tool looks into one knowledge base. Call the tool whose knowledge base is most likely to answer the user's question. "
    "If none of them is, call no tool."
)

NO_PARAMETERS = {"type": "object", "properties": {}}


def choose_dataset(
    model: ModelChoice, query: str, datasets: Sequence[Dataset], pool: VariablePool, context: NodeContext
) -> tuple[Usage, Dataset | None]:
    """None if the model wants none of them. Raises ``ModelError``."""
    # Ids of documents need not be names that models take for a tool.
    by_tool = {f"knowledge_base_{number}": dataset for number, dataset in enumerate(datasets, 1)}
    tools = [ToolSpec(name, dataset.name, NO_PARAMETERS) for name, dataset in by_tool.items()]
    request = model.request([Message.of(SYSTEM, INSTRUCTION), Message.of(USER, query)], pool, tools)
    answer = context.ports.models.stream(request, context.cancellation, lambda delta: None)
    called = (by_tool[call.name] for call in answer.tool_calls if call.name in by_tool)
    return answer.usage, next(called, None)
