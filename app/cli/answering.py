"""An answer to a form that a run waits for, from the command line."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import click

from app.cli.inputs import read_inputs
from app.cli.local_files import path_named, remote_mapping
from app.files import FileDesk
from worker.config import Config
from worker.engine.file_types import detect_type
from worker.engine.form import Form
from worker.engine.human_form import HumanForm, variable_of
from worker.engine.media_types import mime_of_name
from worker.outbound.client import GuardedClient
from worker.store.end_users import ensure_end_user
from worker.store.forms import StoredForm, Wake, submit_form
from worker.store.session import Database


@dataclass(frozen=True, slots=True)
class Answer:
    action: str
    #: ``name=value`` each.
    pairs: Sequence[str]
    #: A JSON object, or ``@file`` with one.
    inputs: str | None
    #: None: the anonymous end user.
    user: str | None


def chosen_form(forms: Sequence[StoredForm], wanted: str | None) -> StoredForm:
    """The form that is meant by its node, its id or its token; without one, the only one. Raises ``click.ClickException``."""
    if not forms:
        raise click.ClickException("The run waits for no form.")
    found = [form for form in forms if wanted in (None, form.held.node_id, form.held.form_id, form.held.token)]
    if len(found) == 1:
        return found[0]
    nodes = ", ".join(form.held.node_id for form in forms)
    raise click.UsageError(f"The run waits for several forms: choose one with --form: {nodes}." if found else f"Its forms are: {nodes}.")


def give_answer(config: Config, database: Database, app_id: str, form: StoredForm, answer: Answer) -> Wake | None:
    """Answer a form; the run whose task is to be sent now. Raises ``FormError``, ``FormSubmitted`` and ``FormExpired``."""
    end_user_id = database.transact(lambda session: ensure_end_user(session, app_id, answer.user))
    shown = form.held.form
    with closing(GuardedClient(config.outbound_allow)) as http:
        uploads = Uploads(FileDesk(config, database, http), app_id, end_user_id)
        values = shown.prepare(answer.action, inputs_of(shown, answer, uploads), uploads.desk.references(app_id, end_user_id))
    form_id = form.held.form_id
    return database.transact(lambda session: submit_form(session, form_id, answer.action, values, end_user_id))


def inputs_of(form: HumanForm, answer: Answer, uploads: Uploads) -> dict[str, Any]:
    """What was given, over what the controls of the form begin with."""
    controls = Form([variable_of(declared) for declared in form.inputs])
    return form.first_values | read_inputs(controls, answer.pairs, answer.inputs, uploads.offer)


@dataclass(frozen=True, slots=True)
class Uploads:
    """Files of this machine become uploads of an end user, as they would through the API."""

    desk: FileDesk
    app_id: str
    end_user_id: str

    def offer(self, reference: str) -> dict[str, Any]:
        """What a request says about a file: ``@path``, or the address of one. Raises ``FormError``."""
        if not reference.startswith("@"):
            return remote_mapping(reference)
        path = path_named(reference)
        mime_type = mime_of_name(path.name)
        with path.open("rb") as content:
            stored = self.desk.upload(self.app_id, self.end_user_id, path.name, mime_type, path.stat().st_size, content)
        return {"transfer_method": "local_file", "upload_file_id": stored.id, "type": detect_type(path.suffix, mime_type)}
