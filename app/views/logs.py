"""The log of an app's runs (api-contract.md section 2.8)."""

from __future__ import annotations

from typing import Any

from flask import request

from app.auth import require_workflow_app
from app.errors import invalid_param
from app.parts import current_parts
from app.schemas.fields import load
from app.schemas.logs import LogPage, LogsQuery
from app.views.blueprint import APIBlueprint
from worker.engine.events import RunStatus
from worker.store.logs import LogQuery, query_logs

blueprint = APIBlueprint("Logs", __name__, url_prefix="/v1", description="Runs of the app, newest first.")


@blueprint.route("/workflows/logs")
@blueprint.fails(400, 503)
@blueprint.response(200, LogPage)
@blueprint.asks({"in": "query", "schema": LogsQuery})
def list_runs() -> dict[str, Any]:
    """List runs"""
    app = require_workflow_app()
    asked = load(LogsQuery(), request.args)
    if asked["created_by_account"]:
        raise invalid_param(f"Account not found: {asked['created_by_account']}", "created_by_account")
    with current_parts().database.read() as session:
        page = query_logs(session, log_query(app.app_id, asked))
    seen = asked["page"] * asked["limit"]
    return {"page": asked["page"], "limit": asked["limit"], "total": page.total, "has_more": page.total > seen, "data": page.entries}


def log_query(app_id: str, asked: dict[str, Any]) -> LogQuery:
    return LogQuery(
        app_id=app_id,
        keyword=asked["keyword"],
        status=RunStatus(asked["status"]) if asked["status"] else None,
        created_after=asked["created_at__after"],
        created_before=asked["created_at__before"],
        session_id=asked["created_by_end_user_session_id"] or None,
        page=asked["page"],
        limit=asked["limit"],
    )
