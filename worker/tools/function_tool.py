"""A tool that is a function of ours."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from worker.engine.node import NodeContext
from worker.engine.tools import ToolMessage, ToolParameter


@dataclass(frozen=True, slots=True)
class FunctionTool:
    name: str
    description: str
    parameters: tuple[ToolParameter, ...]
    function: Callable[[Mapping[str, Any], NodeContext], Iterable[ToolMessage]]

    def invoke(self, parameters: Mapping[str, Any], context: NodeContext) -> Iterable[ToolMessage]:
        return self.function(parameters, context)


def by_name(*tools: FunctionTool) -> dict[str, FunctionTool]:
    return {tool.name: tool for tool in tools}
