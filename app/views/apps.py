"""What an app tells about itself (api-contract.md sections 2.5, 2.9 to 2.11 and 6)."""

from __future__ import annotations

from typing import Any

from app.auth import caller
from app.config import ApiConfig
from app.errors import APIError
from app.parts import current_parts
from app.published import PublishedWorkflow
from app.schemas.apps import Info, Meta, Parameters, Site
from app.views.blueprint import APIBlueprint, query
from worker.engine.errors import GraphError
from worker.engine.features import feature_parameters

blueprint = APIBlueprint("App", __name__, url_prefix="/v1", description="What the app of a key is called, asks for and looks like.")

USER = query("user", "Accepted for compatibility.")


@blueprint.route("/parameters")
@blueprint.fails(400, 503)
@blueprint.response(200, Parameters)
@blueprint.asks(USER)
def show_parameters() -> dict[str, Any]:
    """The start form, features and upload limits"""
    workflow = current_workflow()
    if workflow is None:
        raise APIError("app_unavailable")
    return {
        **feature_parameters(workflow.features),
        "user_input_form": workflow.form.user_input_form(),
        "system_parameters": system_parameters(current_parts().api),
    }


@blueprint.route("/info")
@blueprint.fails(503)
@blueprint.response(200, Info)
def show_info() -> dict[str, Any]:
    """Name and kind of the app"""
    app = caller()
    return {"name": app.name, "description": app.description, "tags": [], "mode": app.mode, "author_name": app.author_name}


@blueprint.route("/site")
@blueprint.fails(503)
@blueprint.response(200, Site)
def show_site() -> dict[str, Any]:
    """How a page of the app would look"""
    app = caller()
    return {
        "title": app.name,
        "chat_color_theme": None,
        "chat_color_theme_inverted": False,
        "icon_type": app.icon_type,
        "icon": app.icon,
        "icon_background": app.icon_background,
        "icon_url": app.icon if app.icon_type == "link" else None,
        "description": app.description or None,
        "copyright": None,
        "privacy_policy": None,
        "custom_disclaimer": "",
        "input_placeholder": None,
        "default_language": "en-US",
        "show_workflow_steps": True,
        "use_icon_as_answer_icon": False,
    }


@blueprint.route("/meta")
@blueprint.fails(503)
@blueprint.response(200, Meta)
def show_meta() -> dict[str, Any]:
    """Icons of the tools that the workflow uses"""
    workflow = current_workflow()
    return {"tool_icons": workflow.tool_icons if workflow else {}}


def current_workflow() -> PublishedWorkflow | None:
    """Raises ``APIError`` ``app_unavailable`` for a version of which nothing can be told."""
    app = caller()
    try:
        return current_parts().published.find(app.app_id, app.workflow_id) if app.workflow_id else None
    except GraphError as error:
        raise APIError("app_unavailable") from error


def system_parameters(api: ApiConfig) -> dict[str, Any]:
    """Megabytes, and files of a run; the first as text unless the deployment says otherwise (section 6.3)."""
    image = api.image_file_size_limit
    return {
        "image_file_size_limit": image if api.numeric_limits else str(image),
        "video_file_size_limit": api.video_file_size_limit,
        "audio_file_size_limit": api.audio_file_size_limit,
        "file_size_limit": api.file_size_limit,
        "workflow_file_upload_limit": api.workflow_file_upload_limit,
    }
