"""Look at a form that a run waits for, and answer it (api-contract.md sections 2.15 and 2.16)."""

from __future__ import annotations

from typing import Any

from flask import request

from app.auth import caller
from app.body import json_object, required_user
from app.human_input import answer_form, open_form
from app.parts import current_parts
from app.schemas.fields import load
from app.schemas.human_input import FormAnswer, FormAnswered, FormView
from app.submission import end_user
from app.views.blueprint import APIBlueprint
from worker.store.forms import StoredForm

blueprint = APIBlueprint("Human input", __name__, url_prefix="/v1", description="Forms that runs wait for until somebody answers.")

FORM_ANSWER = FormAnswer()


@blueprint.route("/form/human_input/<form_token>")
@blueprint.fails(404, 412, 503)
@blueprint.response(200, FormView)
def show_form(form_token: str) -> StoredForm:
    """Look at a form

    The token is in the events `human_input_required` and `workflow_paused`.
    """
    return open_form(current_parts(), caller().app_id, form_token)


@blueprint.route("/form/human_input/<form_token>", methods=["POST"])
@blueprint.fails(400, 404, 412, 413, 415, 503)
@blueprint.response(200, FormAnswered)
@blueprint.takes(FormAnswer)
def submit_form(form_token: str) -> dict[str, Any]:
    """Answer a form

    Final: the run goes on with the answer. What is refused changes nothing.
    """
    parts = current_parts()
    app_id = caller().app_id
    body = json_object(request)
    end_user_id = end_user(parts, required_user(body.get("user")))
    answer = load(FORM_ANSWER, body)
    form = open_form(parts, app_id, form_token)
    answer_form(parts, form, answer["action"], answer["inputs"], parts.files.references(app_id, end_user_id), end_user_id)
    return {}
