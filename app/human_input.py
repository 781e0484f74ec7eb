"""Forms that runs wait for (api-contract.md sections 2.15 and 2.16): which of them can be answered, and answering one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from app.errors import APIError
from app.parts import Parts
from worker.engine.errors import FormError
from worker.engine.file_inputs import ResolveFile
from worker.store.forms import FormStatus, StoredForm, find_form, find_shown_form, submit_form

#: What somebody learns who comes too late.
REFUSALS: Mapping[FormStatus, str] = {
    FormStatus.SUBMITTED: "human_input_form_submitted",
    FormStatus.EXPIRED: "human_input_form_expired",
}


def open_form(parts: Parts, app_id: str, token: str) -> StoredForm:
    """A form of this app that waits for its answer. Raises ``APIError`` 404 or 412."""
    with parts.database.read() as session:
        return still_open(find_form(session, app_id, token))


def open_page(parts: Parts, token: str) -> StoredForm:
    """The same for whoever has its address, if its app means it to be shown to people."""
    with parts.database.read() as session:
        form = find_shown_form(session, token)
    return still_open(form if form is not None and form.held.form.display_in_ui else None)


def still_open(form: StoredForm | None) -> StoredForm:
    """The form, if there is one and nobody has answered it. Raises ``APIError``."""
    if form is None:
        raise APIError("not_found", "Form not found")
    if form.status in REFUSALS:
        raise APIError(REFUSALS[form.status])
    return form


def answer_form(
    parts: Parts, form: StoredForm, action: str, inputs: Mapping[str, Any], resolve_file: ResolveFile, end_user_id: str
) -> None:
    """Answer a form, once and for all; its run goes on. A refused answer changes nothing.

    Raises ``APIError`` ``invalid_form_data``, ``FormSubmitted`` and ``FormExpired``.
    """
    try:
        values = form.held.form.prepare(action, inputs, resolve_file)
    except FormError as error:
        raise APIError("invalid_form_data", str(error)) from error
    form_id = form.held.form_id
    woken = parts.database.transact(lambda session: submit_form(session, form_id, action, values, end_user_id))
    if woken is not None:
        parts.dispatcher.send(woken.run_id, woken.task_id)
