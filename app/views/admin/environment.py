"""Values for environment variables of an app, secrets above all."""

from __future__ import annotations

from typing import Any

from flask import Response

from app.admin.environment import find_variable, list_variables, set_value
from app.parts import current_parts
from app.schemas.admin_access import VariableList, VariableValue
from app.views.admin.blueprint import AdminBlueprint, body_of, no_content
from worker.store.app_environment import unset_value
from worker.store.apps import find_app

blueprint = AdminBlueprint(
    "environment", __name__, "Values for environment variables of an app, sealed in the database: set here, and never shown."
)


@blueprint.route("/apps/<app>/environment")
@blueprint.fails(404)
@blueprint.response(200, VariableList)
def list_environment(app: str) -> dict[str, Any]:
    """List variables, and where their values come from; never a value"""
    parts = current_parts()
    return {"data": list_variables(parts.config, parts.database, app)}


@blueprint.route("/apps/<app>/environment/<path:name>", methods=["PUT"])
@blueprint.fails(404, 409, 413, 415)
@blueprint.response(204)
@blueprint.takes(VariableValue)
def set_variable(app: str, name: str) -> Response:
    """Give a variable a value, for the runs that begin from now on"""
    parts = current_parts()
    order = body_of(VariableValue)
    with parts.database.read() as session:
        found = find_app(session, app)
        variable = find_variable(session, found, name)
    set_value(parts.config, parts.database, found, variable, order["value"])
    return no_content()


@blueprint.route("/apps/<app>/environment/<path:name>", methods=["DELETE"])
@blueprint.fails(404)
@blueprint.response(204)
def unset_variable(app: str, name: str) -> Response:
    """Forget a value: that of the document counts again"""
    with current_parts().database.begin() as session:
        unset_value(session, find_app(session, app).id, name)
    return no_content()
