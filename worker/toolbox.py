"""Every tool of a deployment: what operators registered, then what is built in; the ``Tools`` of ports.py."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from worker.config import Config
from worker.engine.errors import EngineError, GraphError
from worker.engine.execution import Threads
from worker.engine.form import Form
from worker.engine.tools import Tool, ToolNotFound, ToolReference
from worker.environments import Environments
from worker.graphs import Graphs
from worker.store import tool_providers as stored
from worker.store.errors import SealError
from worker.store.models import App
from worker.store.sealing import Sealing
from worker.store.session import Database
from worker.store.tool_providers import StoredProvider
from worker.tools import mcp
from worker.tools.built_in import BuiltInTools, advice_for
from worker.tools.openapi import operations_of
from worker.workflow_tool import WorkflowTool


def described_tools(provider: StoredProvider, headers: Mapping[str, str]) -> Mapping[str, Tool]:
    """The tools of an API or of an MCP server, by name. Raises ``EngineError``."""
    definition = provider.definition
    if provider.kind == stored.MCP:
        return mcp.tools_of(definition, headers)
    return operations_of(definition["document"], definition["server"], headers)


@dataclass(frozen=True, slots=True)
class Toolbox:
    """Nothing is remembered between two look-ups: a tool that was registered counts from the next node on."""

    database: Database
    config: Config
    graphs: Graphs
    environments: Environments
    threads: Threads = field(default_factory=Threads)
    #: Runs around the one whose tools these are.
    depth: int = 0

    def find(self, reference: ToolReference) -> Tool:
        """Raises ``ToolNotFound``, ``StorageUnavailable``."""
        provider = self._registered(reference)
        if provider is None:
            return BuiltInTools().find(reference)
        if provider.kind == stored.WORKFLOW:
            return self._workflow(reference, provider)
        return self._described(reference, provider)

    def _registered(self, reference: ToolReference) -> StoredProvider | None:
        """A provider is registered under a name of the document, or the last part of one."""
        names = [*reference.providers, *(name.rpartition("/")[2] for name in reference.providers)]
        found = self.database.fetch(lambda session: stored.find_providers(session, names))
        return next((found[name] for name in names if name in found), None)

    def _described(self, reference: ToolReference, provider: StoredProvider) -> Tool:
        try:
            tools = described_tools(provider, self._headers(provider))
        except EngineError as error:
            raise ToolNotFound(f"tool provider {provider.name} cannot be used: {error.message}") from error
        if reference.name not in tools:
            advice = f"The provider {provider.name} has: {', '.join(tools)}."
            raise ToolNotFound(f"tool {reference} not found", advice)
        return tools[reference.name]

    def _headers(self, provider: StoredProvider) -> Mapping[str, str]:
        if provider.headers is None:
            return {}
        try:
            found: dict[str, str] = json.loads(Sealing.find(self.config).open(stored.SEALED_FOR, provider.name, provider.headers))
        except SealError as error:
            raise ToolNotFound(f"tool provider {provider.name} cannot be used: {error}") from error
        return found

    def _workflow(self, reference: ToolReference, provider: StoredProvider) -> Tool:
        limit = self.config.limits.workflow_call_max_depth
        if self.depth >= limit:
            raise ToolNotFound(f"Max workflow call depth {limit} reached.")
        app = self.database.fetch(lambda session: session.get(App, provider.definition["app_id"]))
        workflow_id = app.workflow_id if app is not None else None
        if app is None or workflow_id is None:
            raise ToolNotFound(f"The app behind the tool provider {provider.name} is gone.", advice_for(reference))
        try:
            compiled = self.graphs.get(workflow_id)
            form = Form.of(compiled.workflow)
        except GraphError as error:
            raise ToolNotFound(f"The app behind the tool provider {provider.name} cannot run: {error.message}") from error
        return WorkflowTool(
            name=reference.name,
            description=compiled.workflow.description,
            app_id=app.id,
            workflow_id=workflow_id,
            compiled=compiled,
            form=form,
            environments=self.environments,
            threads=self.threads,
            inner_tools=replace(self, depth=self.depth + 1),
        )
