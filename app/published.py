"""Published versions as the API needs them: form and features, read once per version (they never change)."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from app.errors import APIError
from worker.engine.dsl import read_workflow
from worker.engine.form import Form
from worker.engine.graph_document import START_TYPE
from worker.engine.tools import icon_of
from worker.engine.triggers import WEBHOOK_TRIGGER
from worker.engine.webhook_request import WebhookConfig
from worker.engine.workflow import Workflow
from worker.store.apps import find_version
from worker.store.encoding import loads
from worker.store.session import Database

#: Versions that a process keeps read.
CAPACITY = 256


@dataclass(frozen=True, slots=True)
class PublishedWorkflow:
    workflow_id: str
    app_id: str
    #: Time of publication as text.
    version: str
    form: Form
    #: ``workflow.features`` as written.
    features: Mapping[str, Any]
    #: Tool name -> icon (api-contract.md section 2.11).
    tool_icons: Mapping[str, Any]
    #: It has a start node. Without one only triggers begin a run (dsl.md section 6.5).
    has_start: bool
    #: Names of what its runs put out, in the order of the document.
    output_names: Sequence[str] = ()
    #: Its webhook triggers by node id.
    webhooks: Mapping[str, WebhookConfig] = field(default_factory=dict)


class PublishedWorkflows:
    """Keeps the versions that were used last."""

    def __init__(self, database: Database, capacity: int = CAPACITY) -> None:
        self._database = database
        self._capacity = capacity
        self._lock = threading.Lock()
        self._kept: OrderedDict[str, PublishedWorkflow] = OrderedDict()

    def find(self, app_id: str, workflow_id: str) -> PublishedWorkflow | None:
        """A version of this app; None: it has no such version.

        Raises ``GraphError`` if the workflow cannot be executed, ``APIError`` ``app_unavailable`` if the stored document is unreadable.
        """
        with self._lock:
            found = self._kept.get(workflow_id)
            if found is not None:
                self._kept.move_to_end(workflow_id)
        found = found or self._read(app_id, workflow_id)
        return found if found is not None and found.app_id == app_id else None

    def _read(self, app_id: str, workflow_id: str) -> PublishedWorkflow | None:
        with self._database.read() as session:
            row = find_version(session, app_id, workflow_id)
        if row is None:
            return None
        workflow = read_workflow(_document(row.document))
        found = PublishedWorkflow(
            row.id,
            app_id,
            row.version,
            Form.of(workflow),
            workflow.features,
            tool_icons(workflow),
            has_start=any(node.type == START_TYPE for node in workflow.nodes),
            output_names=output_names(workflow),
            webhooks=webhooks_of(workflow),
        )
        self._keep(found)
        return found

    def _keep(self, workflow: PublishedWorkflow) -> None:
        with self._lock:
            self._kept[workflow.workflow_id] = workflow
            while len(self._kept) > self._capacity:
                self._kept.popitem(last=False)


def _document(text: str) -> Any:
    try:
        return loads(text)
    except ValueError as error:
        raise APIError("app_unavailable") from error


def tool_icons(workflow: Workflow) -> dict[str, Any]:
    tools = [node.data for node in workflow.nodes if node.type == "tool"]
    return {str(data.get("tool_name", "")): icon_of(data) for data in tools}


def output_names(workflow: Workflow) -> list[str]:
    lists = [node.data.get("outputs") for node in workflow.nodes if node.type == "end"]
    declared = [item for outputs in lists if isinstance(outputs, list) for item in outputs]
    return list(dict.fromkeys(str(item["variable"]) for item in declared if isinstance(item, Mapping) and item.get("variable")))


def webhooks_of(workflow: Workflow) -> dict[str, WebhookConfig]:
    return {node.id: WebhookConfig.of(node.data) for node in workflow.nodes if node.type == WEBHOOK_TRIGGER}
