"""A published app as a tool: its workflow runs inside the run that calls it, in the same process (nodes.md section 6.13).

Such a run has no record of its own: it is part of the node, and starts again with it.
"""

from __future__ import annotations

import json
import math
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from worker.engine.errors import EngineError, NodeError, Partial
from worker.engine.events import Event, RunFinished, RunStatus
from worker.engine.execution import Threads
from worker.engine.file_inputs import address_of
from worker.engine.form import Form
from worker.engine.form_variables import FormVariable
from worker.engine.inbox import Inbox
from worker.engine.node import NodeContext
from worker.engine.pausing import RunPause
from worker.engine.record import NodeRecord
from worker.engine.run import WorkflowRun
from worker.engine.start import RunStart
from worker.engine.tools import FileMessage, JSONMessage, TextMessage, ToolMessage, ToolParameter, Tools, UsageMessage, VariableMessage
from worker.engine.variables import File, file_from_json, files_in, is_file_json, to_json
from worker.environments import Environments
from worker.graphs import CompiledWorkflow
from worker.json_schema import mismatch

#: Type of a form variable -> type of a tool's parameter.
TYPES = {
    "select": "select",
    "number": "number",
    "checkbox": "boolean",
    "json_object": "object",
    "file": "file",
    "file-list": "files",
}


class Unheard:
    """A journal that nobody reads."""

    def emit(self, event: Event) -> None: ...

    def record(self, record: NodeRecord, *, durable: bool) -> None: ...

    def publish_due(self, *, is_idle: bool) -> float:
        return math.inf


@dataclass(frozen=True, slots=True)
class WorkflowTool:
    name: str
    description: str
    app_id: str
    workflow_id: str
    compiled: CompiledWorkflow
    form: Form
    environments: Environments
    threads: Threads
    #: For the inner run: those of this one, one level deeper.
    inner_tools: Tools

    @property
    def parameters(self) -> tuple[ToolParameter, ...]:
        return tuple(parameter_of(variable) for variable in self.form.variables)

    def invoke(self, parameters: Mapping[str, Any], context: NodeContext) -> Iterator[ToolMessage]:
        finished = self._run(self._start(parameters, context), context)
        context.cancellation.check()
        if finished.status not in (RunStatus.SUCCEEDED, RunStatus.PARTIAL_SUCCEEDED):
            raise NodeError(finished.error or f"The workflow {self.name} {finished.status}.", partial=Partial.costing(finished.spending))
        outputs = dict(finished.outputs)
        yield TextMessage(json.dumps(to_json(outputs, context.ports.files.url), ensure_ascii=False))
        yield JSONMessage(outputs)
        yield from (VariableMessage(name, value) for name, value in outputs.items())
        yield from (FileMessage(file) for file in files_in(outputs))
        yield UsageMessage(finished.spending)

    def _run(self, start: RunStart, context: NodeContext) -> RunFinished:
        inbox = Inbox()
        forget = context.cancellation.on_cancel(inbox.stop)
        ports = replace(context.ports, tools=self.inner_tools)
        graph, responses = self.compiled.graph, self.compiled.responses
        try:
            outcome = WorkflowRun(graph, responses, start, ports=ports, journal=Unheard(), inbox=inbox, threads=self.threads).execute()
        finally:
            forget()
        if isinstance(outcome, RunPause):
            # Nobody knows of this run, so nobody could answer it.
            message = f"The workflow {self.name} asks a person (node '{outcome.forms[0].node_title}'), which no workflow can do as a tool."
            raise NodeError(message, partial=Partial.costing(outcome.spending))
        return outcome

    def _start(self, parameters: Mapping[str, Any], context: NodeContext) -> RunStart:
        """Raises ``NodeError``."""
        now = context.ports.clock.now()
        run_id = str(uuid.uuid4())
        given = GivenFiles(parameters)
        try:
            inputs = self.form.prepare(given.inputs, given.resolve, mismatch)
            environment = self.environments.values(self.app_id, self.compiled.workflow)
        except EngineError as error:
            raise NodeError(error.message) from error
        system = {
            "files": [],
            "user_id": context.run_id,
            "app_id": self.app_id,
            "workflow_id": self.workflow_id,
            "workflow_run_id": run_id,
            "timestamp": int(now),
        }
        # Files stay those of the app that calls: its run stores and reads them.
        return RunStart(run_id, context.app_id, inputs, system, environment, created_at=now)


def parameter_of(variable: FormVariable) -> ToolParameter:
    label = str(variable.document.get("label") or "")
    kind = TYPES.get(variable.type, "string")
    return ToolParameter(variable.name, kind, variable.required, variable.default, label, tuple(variable.options))


class GivenFiles:
    """Files among the parameters, as the form wants them: objects that lead back to them."""

    def __init__(self, parameters: Mapping[str, Any]) -> None:
        self._files: list[File] = []
        self.inputs = {name: self._offered(value) for name, value in parameters.items()}

    def resolve(self, mapping: Mapping[str, Any]) -> File:
        return self._files[int(str(address_of(mapping)).rpartition("/")[2])]

    def _offered(self, value: Any) -> Any:
        if isinstance(value, list):
            return [self._offered(item) for item in value]
        file = file_from_json(value) if is_file_json(value) else value
        if not isinstance(file, File):
            return value
        self._files.append(file)
        return {"transfer_method": "remote_url", "url": f"http://given/{len(self._files) - 1}", "type": file.type}
