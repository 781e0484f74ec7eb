"""Goes on from a run that failed or was stopped, by a new run (engine/carrying.py); for the endpoint and the command line."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from app.errors import APIError
from app.parts import Parts
from app.published import PublishedWorkflow, PublishedWorkflows
from app.submission import Order, choose_workflow, ordered_run
from worker.config import Config
from worker.engine.carrying import Carrying
from worker.engine.dsl import read_workflow
from worker.engine.errors import GraphError
from worker.engine.form import Form
from worker.engine.variables import file_from_json, is_file_json
from worker.engine.workflow import Workflow
from worker.json_schema import mismatch
from worker.store.apps import load_version
from worker.store.encoding import loads
from worker.store.errors import SealError
from worker.store.resumption import EndedRun, Resumption, find_resumable
from worker.store.runs import NewRun
from worker.store.sealed_documents import open_document
from worker.store.session import Database

#: Stands for the id of the version that new runs have.
LATEST = "latest"


@dataclass(frozen=True, slots=True)
class GoingOn:
    """What the new run begins with."""

    #: Values of the form, and ``sys.files``.
    inputs: dict[str, Any]
    resumption: Resumption


def resumed_run(parts: Parts, order: Order, run_id: str) -> NewRun:
    """Raises ``APIError`` 404 for a run or a version that the app does not have, and what ``find_resumable`` and ``going_on`` raise."""
    with parts.database.read() as session:
        old = find_resumable(session, order.app.app_id, run_id)
    if old is None:
        raise APIError("not_found", "Workflow run not found.")
    pinned = pinned_workflow(parts.published, old)
    wanted = order.fields["workflow_id"]
    workflow = pinned if wanted is None else choose_workflow(parts, order.app, None if wanted == LATEST else wanted)
    begun = going_on(parts.config, parts.database, old, pinned, workflow)
    return ordered_run(parts, order, workflow, begun.inputs, resumption=begun.resumption)


def pinned_workflow(published: PublishedWorkflows, old: EndedRun) -> PublishedWorkflow:
    """The version that a run was executed by."""
    found = published.find(old.app_id, old.workflow_id)
    assert found is not None, "a version is there for as long as its runs are"
    return found


def going_on(config: Config, database: Database, old: EndedRun, pinned: PublishedWorkflow, workflow: PublishedWorkflow) -> GoingOn:
    """Raises ``FormError`` for inputs that the other version's form does not take, ``GraphError``."""
    carrying = carrying_between(config, database, pinned, workflow)
    return GoingOn(inputs_for(pinned.form, workflow.form, old.inputs), Resumption(old.run_id, carrying, old.trigger_id))


def carrying_between(config: Config, database: Database, pinned: PublishedWorkflow, workflow: PublishedWorkflow) -> Carrying:
    if workflow.workflow_id == pinned.workflow_id:
        # Nothing is compared, so its secrets may stay sealed.
        same = read_workflow(stored_document(database, pinned))
        return Carrying.between(same, same)
    old, new = (opened(config, version.app_id, stored_document(database, version)) for version in (pinned, workflow))
    return Carrying.between(old, new)


def stored_document(database: Database, version: PublishedWorkflow) -> Mapping[str, Any]:
    """Raises ``GraphError``."""
    with database.read() as session:
        stored = load_version(session, version.workflow_id)
    if stored is None:
        raise GraphError("The published version of the workflow is gone.")
    document: Mapping[str, Any] = loads(stored.document)
    return document


def opened(config: Config, app_id: str, document: Mapping[str, Any]) -> Workflow:
    """With its secrets, since they may be what was changed. Raises ``GraphError``."""
    try:
        return read_workflow(open_document(app_id, document, config))
    except SealError as error:
        raise GraphError(str(error)) from error


def inputs_for(old: Form, new: Form, stored: Mapping[str, Any]) -> dict[str, Any]:
    """The values that a run was given, as another form takes them. Raises ``FormError``."""
    given = {name: value for name, value in stored.items() if name == "sys.files" or not name.startswith("sys.")}
    if new == old:
        return given
    offered = {name: as_reference(value) for name, value in given.items()}
    files = new.prepare_files(offered.get("sys.files"), file_from_json)
    return {**new.prepare(offered, file_from_json, mismatch), "sys.files": files}


def as_reference(value: Any) -> Any:
    """A stored file as a request refers to it: nobody need look for it again, and whose it is was asked when it was given."""
    if isinstance(value, list):
        return [as_reference(item) for item in value]
    return {**value, **dict.fromkeys(("upload_file_id", "tool_file_id"), value.get("related_id"))} if is_file_json(value) else value
