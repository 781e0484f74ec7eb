"""Calls a built-in tool as a node does."""

from __future__ import annotations

from typing import Any

from tests.unit.nodes.tooling import World
from worker.engine.tool_values import prepare
from worker.engine.tools import ToolMessage, ToolReference
from worker.tools.built_in import BuiltInTools


def call(world: World, provider: str, name: str, **parameters: Any) -> list[ToolMessage]:
    tool = BuiltInTools().find(ToolReference("builtin", (provider,), name))
    return list(tool.invoke(prepare(tool.parameters, parameters), world.context))


def text(world: World, provider: str, name: str, **parameters: Any) -> str:
    """The text of the first message."""
    return call(world, provider, name, **parameters)[0].text
