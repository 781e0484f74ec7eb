"""The deployment at a glance."""

from __future__ import annotations

import platform
from dataclasses import asdict
from importlib.metadata import version
from typing import Any

from app.parts import current_parts
from app.schemas.admin_runs import OverviewFacts
from app.views.admin.blueprint import AdminBlueprint
from worker.engine.events import RunStatus
from worker.store.migrate import REVISIONS
from worker.store.overview import read_overview

blueprint = AdminBlueprint("deployment", __name__, "The deployment at a glance.")


@blueprint.route("/overview")
@blueprint.fails()
@blueprint.response(200, OverviewFacts)
def show_overview() -> dict[str, Any]:
    """Runs by status, the queue, workers and versions"""
    parts = current_parts()
    with parts.database.read() as session:
        seen = read_overview(session)
    versions = {
        "penstock": version("penstock"),
        "dify": parts.api.announced_version,
        "python": platform.python_version(),
        "database": parts.database.dialect,
        "schema": REVISIONS[-1],
    }
    return {**asdict(seen), "queue_depth": seen.unfinished.get(RunStatus.SCHEDULED.value, 0), "versions": versions}
