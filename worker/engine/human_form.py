"""The form that a person is shown and fills in (nodes.md section 6.20, api-contract.md section 2.15). Pure: no clock, no store."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from worker.engine.errors import FormError
from worker.engine.file_inputs import ResolveFile
from worker.engine.file_types import FileRules
from worker.engine.form_values import prepared_value, resolved_value
from worker.engine.form_variables import FormVariable
from worker.engine.values import File

#: Where the answer to an input is shown in the form's content.
PLACE = re.compile(r"\{\{#\$output\.([^#{}]+)#\}\}")


@dataclass(frozen=True, slots=True)
class FormAction:
    """A button; its id is also the exit of the node that it leads to."""

    id: str
    title: str
    #: ``primary``, ``default``, ``accent`` or ``ghost``.
    button_style: str = "default"


@dataclass(frozen=True, slots=True)
class HumanForm:
    """A form with every variable in its place, and no secret."""

    #: Markdown; places of answers are still ``{{#$output.name#}}``.
    content: str
    #: As clients read them; a select has its options in ``option_source.value``, wherever they came from.
    inputs: Sequence[Mapping[str, Any]]
    actions: Sequence[FormAction]
    #: To be shown by the application's own page, says the document.
    display_in_ui: bool
    #: Of the inputs whose default is a variable, by name.
    default_values: Mapping[str, str]

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "inputs": list(self.inputs), "actions": self.actions_json()}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> HumanForm:
        return cls(**{**data, "actions": [FormAction(**action) for action in data["actions"]]})

    def actions_json(self) -> list[dict[str, Any]]:
        """The actions as clients read them."""
        return [asdict(action) for action in self.actions]

    def title_of(self, action_id: str) -> str:
        """Title of an action; empty if there is no such action, as when nobody chose one."""
        return next((action.title for action in self.actions if action.id == action_id), "")

    @property
    def first_values(self) -> dict[str, str]:
        """The text that a control begins with, by the name of its input, where there is one."""
        defaults = {item["output_variable_name"]: item.get("default") or {} for item in self.inputs}
        constants = {name: default["value"] for name, default in defaults.items() if default.get("type") == "constant"}
        return {**constants, **self.default_values}

    def prepare(self, action_id: str, inputs: Mapping[str, Any], resolve_file: ResolveFile) -> dict[str, Any]:
        """The values that an answer gives the run, in the order of the form; inputs that it does not have are dropped.

        Raises ``FormError`` for an unknown action, a missing input, or the first one that does not fit; files are resolved last.
        """
        self._check(action_id, inputs)
        variables = [variable_of(declared) for declared in self.inputs]
        values = [prepared_value(variable, inputs[variable.name]) for variable in variables]
        return {variable.name: resolved_value(variable, value, resolve_file) for variable, value in zip(variables, values, strict=True)}

    def _check(self, action_id: str, inputs: Mapping[str, Any]) -> None:
        if not any(action.id == action_id for action in self.actions):
            raise FormError(f"Invalid action: {action_id}")
        missing = [name for item in self.inputs if inputs.get(name := item["output_variable_name"]) is None]
        if missing:
            raise FormError(f"Missing required inputs: {', '.join(missing)}")

    def rendered(self, values: Mapping[str, Any]) -> str:
        """The content with the answers in their places; nothing stands where there is none."""
        return PLACE.sub(lambda place: shown_answer(values.get(place[1], "")), self.content)


def shown_answer(value: Any) -> str:
    if isinstance(value, File):
        return "[file]"
    return f"[{len(value)} files]" if isinstance(value, list) else str(value)


def variable_of(declared: Mapping[str, Any]) -> FormVariable:
    """An input as the start form would declare it: their values are checked alike."""
    source = declared.get("option_source") or {}
    return FormVariable(
        name=declared["output_variable_name"],
        type=declared["type"],
        required=True,
        default=None,
        max_length=declared.get("number_limits") or 0,
        options=source.get("value") or (),
        rules=FileRules.of(declared),
        json_schema=None,
        document=declared,
    )
