"""From a schedule to the run that it begins: checked like a request, when the schedule is made and again each time it is due."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy.orm import Session

from worker.config import Config
from worker.engine.dsl import read_workflow
from worker.engine.errors import FormError, GraphError
from worker.engine.form import Form
from worker.engine.graph_document import START_TYPE
from worker.engine.ports import HTTPClient
from worker.engine.triggers import SCHEDULE_TRIGGER, trigger_nodes
from worker.files import InputFiles
from worker.json_schema import mismatch
from worker.store.apps import find_version
from worker.store.encoding import loads
from worker.store.end_users import ensure_end_user
from worker.store.firings import FiringStatus, note_firing
from worker.store.limits import limits_of
from worker.store.models import App
from worker.store.new_runs import make_run
from worker.store.runs import AcceptedRun, NewRun, accept_run
from worker.store.schedule_models import Schedule
from worker.store.schedules import database_now
from worker.store.session import Database

TRIGGERED_FROM = "schedule"


class NoRun(Exception):
    """Why a schedule can begin no run now; a sentence that is safe to show."""


@dataclass(frozen=True, slots=True)
class CurrentVersion:
    """The current version of an app, as far as schedules need it."""

    workflow_id: str
    app_id: str
    version: str
    form: Form
    has_start: bool
    #: Node ids of its schedule triggers.
    triggers: frozenset[str]


@dataclass(frozen=True, slots=True)
class Prepared:
    """What the runs of one look at a schedule begin with."""

    version: CurrentVersion
    end_user_id: str
    user: str
    #: Values of the form, and ``sys.files``.
    inputs: Mapping[str, Any]
    trigger_id: str | None

    def run(self, config: Config, due_at: float) -> NewRun:
        """``due_at`` becomes its ``sys.timestamp``."""
        more = {"triggered_from": TRIGGERED_FROM, "trigger_id": self.trigger_id}
        return make_run(config, self.user, self.end_user_id, self.version, self.inputs, timestamp_s=due_at, **more)


def current_version(database: Database, app_id: str) -> CurrentVersion:
    """Raises ``NoRun`` if the app has none that can be executed."""
    with database.read() as session:
        text, facts = _stored_version(session, app_id)
    try:
        document = loads(text)
        workflow = read_workflow(document)
        form = Form.of(workflow)
    except (GraphError, ValueError) as error:
        raise NoRun(f"The current version of the app cannot be executed: {error}") from error
    triggers = frozenset(node.id for node in trigger_nodes(document, SCHEDULE_TRIGGER))
    has_start = any(node.type == START_TYPE for node in workflow.nodes)
    return CurrentVersion(*facts, form, has_start, triggers)


def _stored_version(session: Session, app_id: str) -> tuple[str, tuple[str, str, str]]:
    app = session.get(App, app_id)
    if app is None:
        raise NoRun("The app no longer exists.")
    if app.status != "normal" or not app.api_enabled:
        raise NoRun("The app is disabled.")
    found = find_version(session, app_id, app.workflow_id) if app.workflow_id else None
    if found is None:
        raise NoRun("The app has no published version.")
    return found.document, (found.id, app_id, found.version)


def prepare(database: Database, http: HTTPClient, schedule: Schedule) -> Prepared:
    """Check a schedule against the current version of its app. Not for a transaction: remote files are looked at.

    Raises ``NoRun``, ``StorageUnavailable``.
    """
    version = current_version(database, schedule.app_id)
    if schedule.node_id is not None:
        if schedule.node_id not in version.triggers:
            raise NoRun("The current version of the app does not have the schedule's trigger.")
        inputs: dict[str, Any] = {}
    else:
        inputs = checked_inputs(database, http, version, schedule.user, loads(schedule.inputs))
    end_user_id = database.transact(lambda session: ensure_end_user(session, schedule.app_id, schedule.user))
    return Prepared(version, end_user_id, schedule.user, {**inputs, "sys.files": []}, schedule.node_id)


def checked_inputs(database: Database, http: HTTPClient, version: CurrentVersion, user: str, inputs: Mapping[str, Any]) -> dict[str, Any]:
    """The values of the form. Raises ``NoRun`` for the first input that does not fit, as a run request would be refused."""
    if not version.has_start:
        raise NoRun("The workflow has no start node: only its triggers can begin a run.")
    end_user_id = database.transact(lambda session: ensure_end_user(session, version.app_id, user))
    try:
        return version.form.prepare(inputs, InputFiles(version.app_id, end_user_id, database, http), mismatch)
    except FormError as error:
        raise NoRun(f"The inputs do not fit the current version of the app: {error}") from error


def run_now(database: Database, http: HTTPClient, config: Config, schedule: Schedule) -> AcceptedRun:
    """A run of a schedule at once, beside its due times, whether it rests or not. The caller sends its task.

    Raises ``NoRun``, ``TooManyRuns``, ``StorageUnavailable``.
    """
    prepared = prepare(database, http, schedule)
    with database.begin() as session:
        now_s = database_now(session)
        run = replace(prepared.run(config, now_s), bounds=limits_of(session, config, schedule.app_id))
        accepted = accept_run(session, run)
        note_firing(session, schedule.id, now_s, FiringStatus.STARTED, run_id=run.run_id)
    return accepted
