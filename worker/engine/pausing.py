"""A run that waits for people: what a node asks for, and what it gets back (nodes.md sections 4.9 and 6.20).

A node that needs a person returns a ``FormRequest`` and has not ended. When nothing else can go on, the attempt ends with a
``RunPause``, which the journal makes durable. A later attempt executes the node again and hands it the answered ``HeldForm``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from worker.engine.events import FormFilled, FormRequired, FormTimedOut, RunPaused
from worker.engine.human_form import HumanForm
from worker.engine.spending import Spending


@dataclass(frozen=True, slots=True)
class FormRequest:
    """What a node needs a person for."""

    form: HumanForm
    #: Seconds from the pause on in which it can be answered.
    timeout_s: float
    #: Nobody answering in time ends the run, not only the node.
    ends_run: bool = False


@dataclass(frozen=True, slots=True)
class FormAnswer:
    #: Empty: nobody answered in time.
    action_id: str = ""
    values: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_timeout(self) -> bool:
        return not self.action_id


@dataclass(frozen=True, slots=True)
class HeldForm:
    """A form that was asked for and is kept until it is answered."""

    #: Id of the node execution that asks.
    form_id: str
    node_id: str
    node_title: str
    #: Who knows it may answer; empty where there is no server to send the answer to.
    token: str
    form: HumanForm
    #: Epoch seconds.
    expires_at: float
    ends_run: bool = False
    #: None: it waits.
    answer: FormAnswer | None = None

    def required(self) -> FormRequired:
        """Its ``human_input_required``."""
        form = self.form
        return FormRequired(
            form_id=self.form_id,
            node_id=self.node_id,
            node_title=self.node_title,
            form_content=form.content,
            inputs=form.inputs,
            actions=form.actions_json(),
            display_in_ui=form.display_in_ui,
            form_token=self.token,
            resolved_default_values=form.default_values,
            expires_at=self.expires_at,
        )

    def closed(self, answer: FormAnswer) -> FormFilled | FormTimedOut:
        """The event that tells what became of it."""
        if answer.is_timeout:
            return FormTimedOut(self.node_id, self.node_title, self.expires_at)
        rendered, title = self.form.rendered(answer.values), self.form.title_of(answer.action_id)
        return FormFilled(self.node_id, self.node_title, rendered, answer.action_id, title, answer.values)


@dataclass(frozen=True, slots=True)
class AskedForm:
    """A form that this attempt asks for, before it has a token and a time."""

    form_id: str
    node_id: str
    node_title: str
    request: FormRequest

    def held(self, token: str, now: float) -> HeldForm:
        request = self.request
        expires_at = now + request.timeout_s
        return HeldForm(self.form_id, self.node_id, self.node_title, token, request.form, expires_at, request.ends_run)


@dataclass(frozen=True, slots=True)
class RunPause:
    """How an attempt ended that cannot go on before people have answered."""

    #: In the order in which their nodes came to wait; those are held that an earlier attempt asked for.
    forms: Sequence[AskedForm | HeldForm]
    elapsed_s: float
    #: By every attempt that was told.
    spending: Spending
    total_steps: int
    exceptions_count: int
    created_at: float

    def held(self, new_token: Callable[[], str], now: float) -> list[HeldForm]:
        """All forms that wait; those that are asked for now expire from ``now`` on."""
        return [form if isinstance(form, HeldForm) else form.held(new_token(), now) for form in self.forms]

    def events(self, forms: Sequence[HeldForm]) -> list[FormRequired | RunPaused]:
        """What readers are told: each form, then the pause."""
        reasons = [form.required() for form in forms]
        return [*reasons, RunPaused(reasons, self.elapsed_s, self.spending.total_tokens, self.total_steps, self.created_at)]
