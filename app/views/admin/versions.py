"""Versions of an app and their aliases: publish, look, roll back, point."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from flask import Response

from app.admin.apps import roll_back, shown_document
from app.admin.releases import point_alias
from app.parts import current_parts
from app.schemas.admin import PageQuery
from app.schemas.admin_apps import (
    AliasFacts,
    AliasList,
    AliasTarget,
    DocumentRefusal,
    PublishedVersion,
    PublishOptions,
    VersionChoice,
    VersionDocument,
    VersionFacts,
    VersionPage,
)
from app.views.admin.blueprint import AdminBlueprint, body_of, finding_facts, keys_of, no_content, page_body, query_of
from app.views.admin.documents import publishing, read_source, takes_document
from worker.store.apps import find_app
from worker.store.errors import NotFound
from worker.store.listings import page_versions
from worker.store.models import App
from worker.store.releases import Alias, choose_version, find_alias, remove_alias
from worker.store.releases import list_aliases as stored_aliases

blueprint = AdminBlueprint(
    "versions", __name__, "Published versions never change. VERSION is an id, a time of publication, an alias, or `current`."
)


@blueprint.route("/apps/<app>/versions")
@blueprint.fails(404)
@blueprint.response(200, VersionPage)
@blueprint.asks({"in": "query", "schema": PageQuery})
def list_versions(app: str) -> dict[str, Any]:
    """List versions, newest first"""
    asked = query_of(PageQuery)
    with current_parts().database.read() as session:
        found = find_app(session, app)
        page = page_versions(session, found.id, keys_of(asked, float, str), asked["limit"])
    return page_body(page, lambda version: version_facts(version, found))


@blueprint.route("/apps/<app>/versions", methods=["POST"])
@blueprint.fails(404, 409, 413, 415, refusal=DocumentRefusal)
@blueprint.response(200, PublishedVersion)
@blueprint.asks({"in": "query", "schema": PublishOptions})
@takes_document
def publish_version(app: str) -> dict[str, Any]:
    """Make a document the current version; id, name and keys of the app stay

    The same document again changes nothing.
    """
    document, options = read_source(PublishOptions)
    made = publishing(allow_missing_tools=options["allow_missing_tools"]).publish(app, document)
    names = ("app_id", "workflow_id", "version", "is_new", "name")
    return {**{name: getattr(made, name) for name in names}, "warnings": [finding_facts(finding) for finding in made.warnings]}


@blueprint.route("/apps/<app>/versions/<version>")
@blueprint.fails(404)
@blueprint.response(200, VersionFacts)
def show_version(app: str, version: str) -> dict[str, Any]:
    """Look at a version"""
    with current_parts().database.read() as session:
        found = find_app(session, app)
        return version_facts(choose_version(session, found, version), found)


@blueprint.route("/apps/<app>/versions/<version>/document")
@blueprint.fails(404)
@blueprint.response(200, VersionDocument)
def show_document(app: str, version: str) -> dict[str, Any]:
    """The document of a version, without its secrets"""
    with current_parts().database.read() as session:
        chosen = choose_version(session, find_app(session, app), version)
    shown = shown_document(chosen)
    return {"id": chosen.id, "version": chosen.version, "document": shown.document, "masked": shown.masked}


@blueprint.route("/apps/<app>/rollback", methods=["POST"])
@blueprint.fails(404, 413, 415)
@blueprint.response(200, VersionFacts)
@blueprint.takes(VersionChoice)
def roll_back_app(app: str) -> dict[str, Any]:
    """Make an earlier version current, for the runs that begin from now on"""
    choice = body_of(VersionChoice)
    with current_parts().database.begin() as session:
        found, chosen = roll_back(session, app, choice["version"])
        return version_facts(chosen, found)


def version_facts(version: Any, app: App) -> dict[str, Any]:
    """``version``: a ``Workflow``, or its columns."""
    names = ("id", "version", "content_hash", "marked_name", "marked_comment", "created_at")
    return {**{name: getattr(version, name) for name in names}, "is_current": version.id == app.workflow_id}


@blueprint.route("/apps/<app>/aliases")
@blueprint.fails(404)
@blueprint.response(200, AliasList)
def list_aliases(app: str) -> dict[str, Any]:
    """List aliases"""
    with current_parts().database.read() as session:
        return {"data": [asdict(alias) for alias in stored_aliases(session, find_app(session, app).id)]}


@blueprint.route("/apps/<app>/aliases/<name>")
@blueprint.fails(404)
@blueprint.response(200, AliasFacts)
def show_alias(app: str, name: str) -> Alias:
    """What an alias stands for"""
    with current_parts().database.read() as session:
        found = find_alias(session, find_app(session, app).id, name)
    if found is None:
        raise NotFound(f"The app has no alias {name!r}.")
    return found


@blueprint.route("/apps/<app>/aliases/<name>", methods=["PUT"])
@blueprint.fails(404, 413, 415)
@blueprint.response(200, AliasFacts)
@blueprint.takes(AliasTarget)
def set_alias(app: str, name: str) -> Alias:
    """Let an alias stand for a version

    `POST /v1/workflows/{alias}/run` runs what it stands for, from the next request on.
    """
    target = body_of(AliasTarget)
    with current_parts().database.begin() as session:
        alias, _ = point_alias(session, find_app(session, app), name, target["version"])
        return alias


@blueprint.route("/apps/<app>/aliases/<name>", methods=["DELETE"])
@blueprint.fails(404)
@blueprint.response(204)
def delete_alias(app: str, name: str) -> Response:
    """Forget an alias; the version stays"""
    with current_parts().database.begin() as session:
        remove_alias(session, find_app(session, app).id, name)
    return no_content()
