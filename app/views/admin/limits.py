"""How many runs apps and keys may have open, and begin in a minute."""

from __future__ import annotations

from flask import Response
from sqlalchemy.orm import Session

from app.parts import current_parts
from app.schemas.admin_volume import LimitChange, LimitView
from app.views.admin.blueprint import AdminBlueprint, body_of, no_content
from worker.store.apps import find_app
from worker.store.errors import NotFound
from worker.store.identifiers import canonical_id
from worker.store.limit_settings import LimitFacts, change_limits, clear_limits, list_limits

blueprint = AdminBlueprint("limits", __name__, "How many runs an app, or one of its keys, may have open and may begin in a minute.")


@blueprint.route("/apps/<app>/limits")
@blueprint.fails(404)
@blueprint.response(200, LimitView)
def show_app_limits(app: str) -> LimitFacts:
    """What counts for an app"""
    with current_parts().database.read() as session:
        return limits_of(session, find_app(session, app).id, None)


@blueprint.route("/apps/<app>/limits", methods=["PATCH"])
@blueprint.fails(404, 413, 415)
@blueprint.response(200, LimitView)
@blueprint.takes(LimitChange)
def change_app_limits(app: str) -> LimitFacts:
    """Limit an app, from the next request on; what is not named stays as it is"""
    change = body_of(LimitChange)
    with current_parts().database.begin() as session:
        app_id = find_app(session, app).id
        change_limits(session, app_id, **change)
        return limits_of(session, app_id, None)


@blueprint.route("/apps/<app>/limits", methods=["DELETE"])
@blueprint.fails(404)
@blueprint.response(204)
def clear_app_limits(app: str) -> Response:
    """Forget the limits of an app: the settings of the deployment count again"""
    with current_parts().database.begin() as session:
        clear_limits(session, find_app(session, app).id)
    return no_content()


@blueprint.route("/apps/<app>/keys/<key_id>/limits")
@blueprint.fails(404)
@blueprint.response(200, LimitView)
def show_key_limits(app: str, key_id: str) -> LimitFacts:
    """What counts for a key"""
    with current_parts().database.read() as session:
        return limits_of(session, find_app(session, app).id, known(key_id))


@blueprint.route("/apps/<app>/keys/<key_id>/limits", methods=["PATCH"])
@blueprint.fails(404, 413, 415)
@blueprint.response(200, LimitView)
@blueprint.takes(LimitChange)
def change_key_limits(app: str, key_id: str) -> LimitFacts:
    """Limit a key, from the next request on; what is not named stays as it is"""
    change = body_of(LimitChange)
    with current_parts().database.begin() as session:
        app_id, wanted = find_app(session, app).id, known(key_id)
        change_limits(session, app_id, wanted, **change)
        return limits_of(session, app_id, wanted)


@blueprint.route("/apps/<app>/keys/<key_id>/limits", methods=["DELETE"])
@blueprint.fails(404)
@blueprint.response(204)
def clear_key_limits(app: str, key_id: str) -> Response:
    """Forget the limits of a key: the settings of the deployment count again"""
    with current_parts().database.begin() as session:
        clear_limits(session, find_app(session, app).id, known(key_id))
    return no_content()


def known(key_id: str) -> str:
    """Raises ``NotFound`` for what cannot be the id of a key: a key itself must not stand in a path, which proxies log."""
    found = canonical_id(key_id)
    if found is None:
        raise NotFound("No key of this app goes by that id.")
    return found


def limits_of(session: Session, app_id: str, key_id: str | None) -> LimitFacts:
    """Raises ``NotFound``, for a key that is revoked too."""
    found = list_limits(session, current_parts().config, app_id)
    for facts in found:
        if facts.key_id == key_id:
            return facts
    raise NotFound("No key of this app goes by that id.")
