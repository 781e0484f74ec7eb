"""A scripted worker that asks people in the middle of a run, and forms that it shows them."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.unit.app.serving import begin
from tests.unit.running import success
from worker.engine.events import RESUMPTION, RunStarted
from worker.engine.human_form import FormAction, HumanForm
from worker.engine.pausing import AskedForm, FormRequest, HeldForm, RunPause
from worker.engine.spending import NOTHING_SPENT
from worker.engine.variables import remote_address, to_json
from worker.journal import RunJournal
from worker.store.claims import Claim
from worker.store.forms import held_forms
from worker.store.session import Database

PARAGRAPH = {"type": "paragraph", "output_variable_name": "reason", "default": {"type": "constant", "selector": [], "value": "None."}}
SELECT = {
    "type": "select",
    "output_variable_name": "urgency",
    "option_source": {"type": "constant", "selector": [], "value": ["low", "high"]},
}
FILE: dict[str, Any] = {
    "type": "file",
    "output_variable_name": "contract",
    "allowed_file_types": ["document"],
    "allowed_file_extensions": [],
    "allowed_file_upload_methods": ["local_file"],
}
FILES: dict[str, Any] = {**FILE, "type": "file-list", "output_variable_name": "annexes", "number_limits": 2}

ACTIONS = [FormAction("approve", "Approve", "primary"), FormAction("reject", "Reject")]


def form_of(*inputs: dict[str, Any], content: str = "# The offer", **default_values: str) -> HumanForm:
    return HumanForm(content, inputs, ACTIONS, display_in_ui=True, default_values=default_values)


@dataclass
class Asking:
    """A script: the first attempt pauses for all forms; each later one for those that wait still, and then puts the answers out."""

    database: Database
    forms: Sequence[HumanForm] = field(default_factory=lambda: [form_of(PARAGRAPH)])
    timeout_s: float = 3600.0
    #: Set: later attempts begin.
    may_go_on: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.may_go_on.set()

    def __call__(self, held: Claim, journal: RunJournal) -> None:
        if held.attempt == 1:
            begin(held, journal)
            asked = [
                AskedForm(str(uuid.uuid4()), f"ask{n}", f"ASK{n}", FormRequest(form, self.timeout_s)) for n, form in enumerate(self.forms)
            ]
            journal.pause(paused(held, asked))
        else:
            assert self.may_go_on.wait(10)
            self._go_on(held, journal)

    def _go_on(self, held: Claim, journal: RunJournal) -> None:
        with self.database.read() as session:
            forms = sorted(held_forms(session, held.run_id).values(), key=lambda form: form.node_id)
        # As the engine does: first what was told, which is left out.
        for reason in ("initial", RESUMPTION):
            journal.emit(RunStarted({}, held.created_at, reason=reason))
        for form in forms:
            if form.answer is not None:
                journal.emit(form.closed(form.answer))
        if waiting := [form for form in forms if form.answer is None]:
            journal.pause(paused(held, waiting))
        else:
            journal.finish(success(outputs=answers(forms)))


def answers(forms: Sequence[HeldForm]) -> dict[str, Any]:
    """What the people said, by node: the action, and the names of files instead of the files."""
    given = {form.node_id: form.answer for form in forms if form.answer is not None}
    return {node: {"action": answer.action_id, **to_json(answer.values, remote_address)} for node, answer in given.items()}


def paused(held: Claim, forms: Sequence[AskedForm | HeldForm]) -> RunPause:
    return RunPause(forms, 0.5, NOTHING_SPENT, 2, 0, held.created_at)
