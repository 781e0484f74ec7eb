"""Compiled workflows of this process: each published version is compiled once and then only read."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

from worker.config import Config
from worker.engine.dsl import Workflow, read_workflow
from worker.engine.errors import GraphError
from worker.engine.graph import Graph, compile_graph
from worker.engine.node import NodeRegistry
from worker.engine.response import ResponsePlan
from worker.store.apps import load_version
from worker.store.encoding import loads
from worker.store.errors import SealError
from worker.store.models import Workflow as StoredVersion
from worker.store.sealed_documents import open_document
from worker.store.session import Database

#: Versions that are kept; the one that was used longest ago gives way.
CAPACITY = 256


@dataclass(frozen=True, slots=True)
class CompiledWorkflow:
    workflow: Workflow
    graph: Graph
    responses: ResponsePlan


class Graphs:
    """Thread-safe. Two runs may compile a new version at the same time; the result is the same."""

    def __init__(self, database: Database, registry: NodeRegistry, config: Config, capacity: int = CAPACITY) -> None:
        self._database = database
        self._registry = registry
        self._config = config
        self._capacity = capacity
        self._lock = threading.Lock()
        self._compiled: OrderedDict[str, CompiledWorkflow] = OrderedDict()

    def get(self, workflow_id: str) -> CompiledWorkflow:
        """Raises ``GraphError`` for a version that this release or its key cannot run, ``StorageUnavailable``."""
        with self._lock:
            found = self._compiled.get(workflow_id)
            if found is not None:
                self._compiled.move_to_end(workflow_id)
                return found
        compiled = self._compile(workflow_id)
        with self._lock:
            self._compiled[workflow_id] = compiled
            while len(self._compiled) > self._capacity:
                self._compiled.popitem(last=False)
        return compiled

    def _compile(self, workflow_id: str) -> CompiledWorkflow:
        version = self._database.fetch(lambda session: load_version(session, workflow_id))
        if version is None:
            raise GraphError("The published version of the workflow is gone.")
        workflow = read_workflow(self._opened(version), self._registry)
        graph = compile_graph(workflow, self._registry)
        return CompiledWorkflow(workflow, graph, ResponsePlan.of(graph))

    def _opened(self, version: StoredVersion) -> Any:
        document = loads(version.document)
        try:
            return open_document(version.app_id, document, self._config) if isinstance(document, dict) else document
        except SealError as error:
            raise GraphError(str(error)) from error
