"""Apps: import, look, switch off, delete."""

from __future__ import annotations

from typing import Any

from flask import Response

from app.admin.apps import remove_app
from app.parts import current_parts
from app.schemas.admin_apps import (
    AppChange,
    AppFacts,
    AppPage,
    AppsQuery,
    CheckedDocument,
    CheckOptions,
    DocumentRefusal,
    ImportedApp,
    ImportOptions,
)
from app.views.admin.blueprint import AdminBlueprint, body_of, finding_facts, keys_of, no_content, page_body, query_of
from app.views.admin.documents import publishing, read_source, takes_document
from worker.store.apps import change_app, find_app
from worker.store.listings import page_apps
from worker.store.models import App

blueprint = AdminBlueprint(
    "apps", __name__, "Import apps, publish their versions. APP in a path is an app's id, or its name if only one has it."
)


@blueprint.route("/apps")
@blueprint.fails()
@blueprint.response(200, AppPage)
@blueprint.asks({"in": "query", "schema": AppsQuery})
def list_apps() -> dict[str, Any]:
    """List apps, by name"""
    asked = query_of(AppsQuery)
    with current_parts().database.read() as session:
        return page_body(page_apps(session, keys_of(asked, str, str), asked["limit"], asked["name"]))


@blueprint.route("/apps", methods=["POST"])
@blueprint.fails(409, 413, 415, refusal=DocumentRefusal)
@blueprint.response(201, ImportedApp)
@blueprint.asks({"in": "query", "schema": ImportOptions})
@takes_document
def import_app() -> dict[str, Any]:
    """Import a document as a new app, with a key

    A document that cannot run is refused with every reason, in `findings`; nothing is stored then.
    """
    document, options = read_source(ImportOptions)
    made = publishing(allow_missing_tools=options["allow_missing_tools"]).import_app(document, options["name"])
    return {
        "app_id": made.app_id,
        "workflow_id": made.workflow_id,
        "name": made.name,
        "api_key": made.api_key,
        "warnings": [finding_facts(finding) for finding in made.warnings],
    }


@blueprint.route("/documents/check", methods=["POST"])
@blueprint.fails(413, 415, refusal=DocumentRefusal)
@blueprint.response(200, CheckedDocument)
@takes_document
def check_document() -> dict[str, Any]:
    """Say everything that keeps a document from running, and what in it has no effect; nothing is stored"""
    document, _ = read_source(CheckOptions)
    found = publishing().check(document)
    return {"is_runnable": found.workflow is not None, "findings": [finding_facts(finding) for finding in found.findings]}


@blueprint.route("/apps/<app>")
@blueprint.fails(404)
@blueprint.response(200, AppFacts)
def show_app(app: str) -> App:
    """Look at an app"""
    with current_parts().database.read() as session:
        return find_app(session, app)


@blueprint.route("/apps/<app>", methods=["PATCH"])
@blueprint.fails(404, 413, 415)
@blueprint.response(200, AppFacts)
@blueprint.takes(AppChange)
def switch_app(app: str) -> App:
    """Switch the API of an app off or on; runs that have begun go on"""
    change = body_of(AppChange)
    with current_parts().database.begin() as session:
        return change_app(session, find_app(session, app).id, api_enabled=change["api_enabled"])


@blueprint.route("/apps/<app>", methods=["DELETE"])
@blueprint.fails(404)
@blueprint.response(204)
def delete_app(app: str) -> Response:
    """Delete an app with its keys, versions, runs and files"""
    parts = current_parts()
    with parts.database.read() as session:
        app_id = find_app(session, app).id
    remove_app(parts.database, parts.config, app_id)
    return no_content()
