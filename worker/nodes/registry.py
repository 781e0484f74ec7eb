"""Finds node classes by type and version.

A node type lives in the module of this package that has its name with ``_`` for ``-``: ``http-request`` in ``http_request.py``. The
module says which class implements it, in one of two ways::

    NODE = HTTPRequestNode                       # every version of the type
    NODES = {"1": AssignerNode, "2": BatchAssignerNode}   # by version, the newest last

Adding a node type is adding such a module. Modules are imported when a document first uses their type, so that a worker carries only
the libraries it needs; modules without either name (this one, ``fields`` ...) are no node types.
"""

from __future__ import annotations

import pkgutil
import re
from collections.abc import Mapping
from importlib import import_module
from typing import cast

import worker.nodes
from worker.engine.errors import GraphError
from worker.engine.findings import Findings
from worker.engine.node import Node, NodeSpec

TYPE_NAME = re.compile(r"[a-z]+(-[a-z]+)*")


class Registry:
    """The node types of this package; implements ``NodeRegistry``."""

    def __init__(self) -> None:
        self._modules = frozenset(module.name for module in pkgutil.iter_modules(worker.nodes.__path__))
        self._found: dict[str, Mapping[str, type[Node]]] = {}

    def knows(self, node_type: str) -> bool:
        return bool(self._versions(node_type))

    def node_types(self) -> list[str]:
        """Every type there is, in alphabetical order; imports all of them."""
        return sorted(name for module in self._modules if self.knows(name := module.replace("_", "-")))

    def node_class(self, node_type: str, version: str) -> type[Node] | None:
        """The class of a type; its newest one for an unknown version, None for an unknown type."""
        versions = self._versions(node_type)
        return versions.get(version, list(versions.values())[-1]) if versions else None

    def create(self, spec: NodeSpec) -> Node:
        """The node of a spec. Raises ``GraphError`` for an unknown type or a wrong configuration."""
        found = self.node_class(spec.type, spec.version)
        if found is None:
            findings = Findings()
            findings.unsupported_node_type(spec)
            raise GraphError(findings)
        return found(spec)

    def _versions(self, node_type: str) -> Mapping[str, type[Node]]:
        # Only modules that exist are remembered, since documents can name any number of other types.
        if node_type not in self._found and (versions := self._load(node_type)):
            self._found[node_type] = versions
        return self._found.get(node_type, {})

    def _load(self, node_type: str) -> Mapping[str, type[Node]]:
        module_name = node_type.replace("-", "_")
        if not TYPE_NAME.fullmatch(node_type) or module_name not in self._modules:
            return {}
        module = import_module(f"worker.nodes.{module_name}")
        if hasattr(module, "NODE"):
            return {"1": cast("type[Node]", module.NODE)}
        return cast("Mapping[str, type[Node]]", getattr(module, "NODES", {}))
