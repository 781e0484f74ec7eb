"""Forms as pages for people who have nothing but an address: no key, no scripts, nothing from elsewhere."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from http import HTTPStatus

from flask import Response, make_response, render_template, request
from markupsafe import Markup

from app.errors import APIError, translate
from app.form_controls import PageFiles, controls_of, given_texts
from app.human_input import answer_form, open_page
from app.parts import current_parts
from app.schemas.human_input import FormPage
from app.views.blueprint import APIBlueprint, View, noting
from worker.store.end_users import ensure_end_user
from worker.store.forms import StoredForm

blueprint = APIBlueprint("Form pages", __name__, is_open=True, description="Forms for people who have nothing but an address.")

HTML = {"content_type": "text/html", "schema": {"type": "string"}}

#: What refusals are documented as: pages, too.
REFUSED = {"text/html": {"schema": {"type": "string"}}}

#: Who answers on a page is nobody in particular.
ANONYMOUS = None

#: Codes of refusals that another try can mend.
MENDABLE = frozenset({"invalid_form_data", "invalid_param", "file_too_large"})

#: Code of a refusal -> title and text for people.
REFUSALS: Mapping[str, tuple[str, str]] = {
    "not_found": ("No such form", "There is no form at this address. Please check whether it is complete."),
    "human_input_form_submitted": ("Already answered", "Somebody has answered this form. There is nothing left to do."),
    "human_input_form_expired": ("Too late", "This form cannot be answered any more: its time is up, or what it was for has ended."),
}


def refuses(*statuses: int) -> Callable[[View], View]:
    """Documents errors of a view, as pages."""
    responses = {str(status): {"description": HTTPStatus(status).phrase, "content": REFUSED} for status in statuses}
    return noting(responses=responses, security=[])


@blueprint.route("/form/<token>")
@refuses(404, 412, 503)
@blueprint.alt_response(200, **HTML, success=True)
def show_page(token: str) -> Response:
    """A form as a page"""
    form = open_page(current_parts(), token)
    return form_page(form, form.held.form.first_values)


@blueprint.route("/form/<token>", methods=["POST"])
@refuses(400, 404, 412, 413, 503)
@blueprint.alt_response(200, **HTML, success=True)
@blueprint.takes(FormPage, "multipart/form-data")
def submit_page(token: str) -> Response:
    """Answer a form on its page"""
    parts = current_parts()
    form = open_page(parts, token)
    shown = form.held.form
    action, texts = request.form.get("action", ""), given_texts(shown, request.form)
    end_user_id = parts.database.transact(lambda session: ensure_end_user(session, form.app_id, ANONYMOUS))
    files = PageFiles(parts, form.app_id, end_user_id)
    try:
        answer_form(parts, form, action, {**texts, **files.given(shown, request.form, request.files)}, files, end_user_id)
    except APIError as error:
        if error.code not in MENDABLE:
            raise
        return form_page(form, texts, problem=error)
    return page("form_message.html", title="Thank you", text=f"Your answer was sent: {shown.title_of(action)}.")


@blueprint.errorhandler(Exception)
def show_refusal(error: Exception) -> Response:
    known = translate(error)
    title, text = REFUSALS.get(known.code, ("This did not work", known.message))
    response = page("form_message.html", known.status, title=title, text=text)
    response.headers.update(known.headers)
    return response


def form_page(form: StoredForm, texts: Mapping[str, str], problem: APIError | None = None) -> Response:
    # Few deployments show forms, and what reads Markdown weighs 2 MB.
    from app.form_content import content_html

    shown = form.held.form
    controls = {control.name: Markup(render_template("form_control.html", control=control)) for control in controls_of(shown, texts)}
    return page(
        "form.html",
        200 if problem is None else problem.status,
        title=form.held.node_title or "Form",
        content=content_html(shown.content, controls),
        actions=shown.actions,
        until=datetime.fromtimestamp(form.held.expires_at, UTC).strftime("%Y-%m-%d %H:%M UTC"),
        problem=None if problem is None else problem.message,
    )


def page(template: str, status: int = 200, **values: object) -> Response:
    """A page that may load nothing, run nothing, be framed by nobody, and tells nobody its address, which is the right to answer."""
    nonce = secrets.token_urlsafe(16)
    response = make_response(render_template(template, nonce=nonce, **values), status)
    policy = f"default-src 'none'; style-src 'nonce-{nonce}'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    response.headers["Content-Security-Policy"] = policy
    response.headers["Referrer-Policy"] = "no-referrer"
    response.headers["Cache-Control"] = "no-store"
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["X-Robots-Tag"] = "noindex"
    return response
