"""A node with a real sandbox: what the tests of code and template nodes have in common."""

from __future__ import annotations

from typing import Any

import pytest

from worker.engine.errors import NodeError
from worker.engine.events import ROOT
from worker.engine.inbox import Inbox
from worker.engine.limits import Limits
from worker.engine.memory import SystemClock
from worker.engine.node import Node, NodeContext, NodeResult, NodeSpec
from worker.engine.ports import Ports
from worker.engine.variables import File, VariablePool
from worker.sandbox.runner import SandboxRunner


class FileAddresses:
    """The one part of the files port that these nodes use."""

    def url(self, file: File) -> str:
        return f"https://files.example/{file.related_id}"


def spec(kind: str, **data: Any) -> NodeSpec:
    return NodeSpec("node", kind, "My node", "1", data, path="workflow.graph.nodes[1]")


def variables(*names: str, value_type: str = "any") -> list[dict[str, Any]]:
    """Inputs that are called as the start node's outputs are."""
    return [{"variable": name, "value_selector": ["start", name], "value_type": value_type} for name in names]


def run(node: Node, runner: SandboxRunner | None, values: dict[str, Any] | None = None, limits: Limits | None = None) -> NodeResult:
    pool = VariablePool()
    pool.add_outputs("start", values or {})
    ports = Ports(
        http=None,
        code=runner,
        templates=runner,
        documents=None,
        files=FileAddresses(),
        clock=SystemClock(),
        limits=limits or Limits(),
    )
    return node.run(pool, NodeContext("run", "app", "execution", ROOT, ports, Inbox(), lambda *_: None))


def failure(node: Node, runner: SandboxRunner | None, values: dict[str, Any] | None = None, limits: Limits | None = None) -> NodeError:
    with pytest.raises(NodeError) as caught:
        run(node, runner, values, limits)
    return caught.value


def file(name: str = "note.txt") -> File:
    return File("document", "local_file", name, ".txt", "text/plain", 5, related_id="file-1", tenant_id="app")
