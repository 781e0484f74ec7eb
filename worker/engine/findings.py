"""Collects what is wrong with a document, so that all of it is reported at once."""

from __future__ import annotations

from collections.abc import Sequence

from worker.engine.errors import Finding
from worker.engine.node import NodeSpec


class Findings(list[Finding]):
    def error(self, code: str, message: str, *, path: str | None = None, node: NodeSpec | None = None) -> None:
        self.append(_finding(code, message, "error", path, node))

    def warning(self, code: str, message: str, *, path: str | None = None, node: NodeSpec | None = None) -> None:
        self.append(_finding(code, message, "warning", path, node))

    def unsupported_node_type(self, node: NodeSpec) -> None:
        self.error("unsupported_node_type", f"node type '{node.type}' is not supported", path=f"{node.path}.data.type", node=node)

    @property
    def errors(self) -> Sequence[Finding]:
        return [finding for finding in self if finding.level == "error"]


def _finding(code: str, message: str, level: str, path: str | None, node: NodeSpec | None) -> Finding:
    if node is None:
        return Finding(code, message, level, path=path)
    return Finding(code, message, level, node.id, node.title or None, path or node.path)
