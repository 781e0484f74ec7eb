"""Runs as operators look at them, whichever app they are of: for the admin API and the command line."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from worker.engine.pausing import HeldForm
from worker.engine.record import NodeRecord
from worker.store.claims import load_records
from worker.store.encoding import loads
from worker.store.errors import NotFound
from worker.store.forms import StoredForm, waiting_forms
from worker.store.runs import RunDetail, get_run, locate_run
from worker.store.session import Database


@dataclass(frozen=True, slots=True)
class WholeRun:
    """A run with the results of its nodes and the forms that it waits for."""

    app_id: str
    detail: RunDetail
    records: list[NodeRecord]
    forms: list[StoredForm]

    def facts(self) -> dict[str, Any]:
        names = ("run_id", "task_id", "workflow_id", "status", "error", "elapsed_time", "total_steps", "created_at", "finished_at")
        origin = {} if self.detail.resumed_from is None else {"resumed_from": self.detail.resumed_from}
        shown = {**{name: getattr(self.detail, name) for name in names}, **origin}
        return {**shown, "inputs": loads(self.detail.inputs), "outputs": self.detail.outputs}

    def nodes(self) -> list[dict[str, Any]]:
        """In the order in which they ended."""
        parts = ("node_id", "node_type", "title", "status", "error", "elapsed_s")
        return [{name: getattr(record, name) for name in parts} for record in self.records]


def read_run(database: Database, run: str) -> WholeRun:
    """Raises ``NotFound``."""
    app_id, _ = find_run(database, run)
    with database.read() as session:
        detail = get_run(session, app_id, run)
        records = load_records(session, run.lower())
    if detail is None:
        # It was there a moment ago, but runs are removed because of their age.
        raise NotFound(f"There is no run {run!r}.")
    return WholeRun(app_id, detail, records, forms_of(database, app_id, run))


def find_run(database: Database, run: str) -> tuple[str, str]:
    """App id and task id of a run. Raises ``NotFound``."""
    with database.read() as session:
        found = locate_run(session, run)
    if found is None:
        raise NotFound(f"There is no run {run!r}.")
    return found


def forms_of(database: Database, app_id: str, run: str) -> list[StoredForm]:
    """The forms of a run that can be answered now."""
    with database.read() as session:
        return waiting_forms(session, app_id, run)


def form_facts(held: HeldForm) -> dict[str, Any]:
    """As ``human_input_required`` tells them."""
    names = ("form_id", "node_id", "node_title", "expires_at")
    form = held.form
    shown = {"form_content": form.content, "inputs": list(form.inputs), "actions": form.actions_json()}
    return {**{name: getattr(held, name) for name in names}, "form_token": held.token, **shown}
