"""The start form: what a run may be given, and how that becomes variables (api-contract.md sections 3 and 6.1)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from worker.engine.errors import Finding, FormError, GraphError
from worker.engine.features import UploadRules, feature_parameters
from worker.engine.file_inputs import ResolveFile, read_files
from worker.engine.form_values import prepared_value, resolved_value
from worker.engine.form_variables import TEXT_TYPES, FormVariable, mistake_in
from worker.engine.values import File
from worker.engine.workflow import Workflow

#: ``validate(schema, value)``: why a value does not fit a JSON Schema, or None.
ValidateSchema = Callable[[Any, Any], str | None]

#: Parts of a stored definition that are lists.
LIST_KEYS = ("options", "allowed_file_types", "allowed_file_extensions", "allowed_file_upload_methods")


@dataclass(frozen=True, slots=True)
class Form:
    variables: Sequence[FormVariable]
    #: None: the files of a request are not checked.
    uploads: UploadRules | None = None

    @classmethod
    def of(cls, workflow: Workflow) -> Form:
        """The form of a workflow's start node. Raises ``GraphError`` if a variable is declared wrongly."""
        if mistakes := [mistake for item in workflow.start_variables if (mistake := mistake_in(item))]:
            raise GraphError([Finding("invalid_start_variable", mistake) for mistake in mistakes])
        return cls([FormVariable.of(item) for item in workflow.start_variables], UploadRules.of(workflow.features))

    def prepare(self, inputs: Mapping[str, Any], resolve_file: ResolveFile, validate_schema: ValidateSchema) -> dict[str, Any]:
        """The values that a run starts with, in the order of the form; inputs that it does not declare are dropped.

        Raises ``FormError`` for the first input that does not fit. Files are resolved last, since that may cost a request each.
        """
        values = {variable.name: prepared_value(variable, inputs.get(variable.name)) for variable in self.variables}
        for variable in self.variables:
            _check_schema(variable, values[variable.name], validate_schema)
        return {variable.name: resolved_value(variable, values[variable.name], resolve_file) for variable in self.variables}

    def prepare_files(self, items: Sequence[Any] | None, resolve_file: ResolveFile) -> list[File]:
        """``sys.files``: the files beside the form. Raises ``FormError``."""
        files = read_files(items or (), resolve_file, self.uploads.rules if self.uploads else None, strict=True)
        if self.uploads:
            self.uploads.check_counts(files)
        return files

    def user_input_form(self) -> list[dict[str, Any]]:
        """The form as clients read it: ``[{type: definition}]``, missing parts of a definition filled in."""
        return [{variable.type: _definition(variable)} for variable in self.variables]


def _check_schema(variable: FormVariable, value: Any, validate_schema: ValidateSchema) -> None:
    if variable.type != "json_object" or variable.json_schema is None or not value:
        return
    reason = validate_schema(variable.json_schema, value)
    if reason is not None:
        raise FormError(f"JSON object for '{variable.name}' does not match schema: {reason}")


def _definition(variable: FormVariable) -> dict[str, Any]:
    """The variable as stored, with the keys that clients count on; a null stands for such a key's default too."""
    is_text = variable.type in (*TEXT_TYPES, "select")
    expected = {"variable": variable.name, "label": variable.name, "required": False, "default": "" if is_text else None}
    lists: dict[str, Any] = {key: [] for key in LIST_KEYS if key in variable.document or (key == "options" and variable.type == "select")}
    stored = {key: value for key, value in variable.document.items() if value is not None or key not in (*expected, *lists)}
    return {**expected, **lists, **stored}


def parameters(workflow: Workflow) -> dict[str, Any]:
    """What ``GET /v1/parameters`` tells (api-contract.md section 6) but for ``system_parameters``. Raises what ``Form.of`` raises."""
    return {**feature_parameters(workflow.features), "user_input_form": Form.of(workflow).user_input_form()}
