"""Runs of all apps."""

from __future__ import annotations

from typing import Any

from app.admin.resuming import accept_resumed
from app.admin.runs import find_run, read_run
from app.parts import current_parts
from app.schemas.admin_runs import ResumedRun, ResumeOrder, RunPage, RunsQuery, StoppedRun, WholeRunFacts
from app.views.admin.blueprint import AdminBlueprint, body_of, keys_of, page_body, query_of
from worker.closing import stop_run as stop
from worker.engine.events import RunStatus
from worker.store.apps import find_app
from worker.store.listings import RunFilter, page_runs

blueprint = AdminBlueprint("runs", __name__, "Look at runs, whichever app they are of; stop them, go on from them.")


@blueprint.route("/runs")
@blueprint.fails(404)
@blueprint.response(200, RunPage)
@blueprint.asks({"in": "query", "schema": RunsQuery})
def list_runs() -> dict[str, Any]:
    """List runs, newest first

    A page looks at 10000 runs at most, so it may have fewer than asked for and another one behind it: go on until `next` is null.
    """
    asked = query_of(RunsQuery)
    with current_parts().database.read() as session:
        app_id = None if asked["app"] is None else find_app(session, asked["app"]).id
        status = None if asked["status"] is None else RunStatus(asked["status"])
        wanted = RunFilter(app_id, status, asked["created_after"], asked["created_before"], asked["user"])
        return page_body(page_runs(session, wanted, keys_of(asked, float, str), asked["limit"]))


@blueprint.route("/runs/<run_id>")
@blueprint.fails(404)
@blueprint.response(200, WholeRunFacts)
def show_run(run_id: str) -> dict[str, Any]:
    """Look at a run with its nodes"""
    found = read_run(current_parts().database, run_id)
    more = {"app_id": found.app_id, "total_tokens": found.detail.total_tokens, "resumed_from": found.detail.resumed_from}
    return {**found.facts(), **more, "nodes": found.nodes()}


@blueprint.route("/runs/<run_id>/stop", methods=["POST"])
@blueprint.fails(404)
@blueprint.response(200, StoppedRun)
def stop_run(run_id: str) -> dict[str, bool]:
    """Stop a run, whether it waits, is running or is paused"""
    parts = current_parts()
    app_id, task_id = find_run(parts.database, run_id)
    stopped = stop(parts.database, parts.log, parts.commands, parts.files.addresses(app_id), app_id, task_id)
    if stopped is not None:
        parts.dispatcher.revoke(stopped.task_id)
    return {"is_told": stopped is not None}


@blueprint.route("/runs/<run_id>/resume", methods=["POST"])
@blueprint.fails(404, 409, 413, 415)
@blueprint.response(202, ResumedRun)
@blueprint.takes(ResumeOrder)
def resume_run(run_id: str) -> dict[str, str]:
    """Go on from a run that failed or was stopped: a new run takes over what is done"""
    parts = current_parts()
    order = body_of(ResumeOrder)
    app_id, _ = find_run(parts.database, run_id)
    new = accept_resumed(parts.config, parts.database, app_id, run_id, order["version"])
    parts.dispatcher.send(new.run_id, new.task_id)
    return {"run_id": new.run_id, "task_id": new.task_id, "workflow_id": new.workflow_id, "resumed_from": run_id.lower()}
