"""Conversation variables (dsl.md section 7.2): what a chat keeps from one run to the next, read and assigned as ``conversation.NAME``.

Workflow apps have no conversation. Whoever runs a chat gives a run the variables with their present values (``RunStart.conversation``),
and keeps what they are at its end (``WorkflowRun.conversation``).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from worker.engine.declared_types import settle_type
from worker.engine.environment import NUMBER_TYPES, size_bytes
from worker.engine.errors import VariableError, kind_of
from worker.engine.findings import Findings
from worker.engine.variables import to_json
from worker.engine.workflow import ConversationVariable

PATH = "workflow.conversation_variables"

TYPES = frozenset({"string", "number", "object", "boolean", "array[string]", "array[number]", "array[object]", "array[boolean]"})


def read_conversation(declared: Any, findings: Findings, max_size: int) -> tuple[ConversationVariable, ...]:
    """The variables of ``workflow.conversation_variables`` with their first values; of two with one name the later one counts."""
    if not isinstance(declared, list | None):
        findings.error("invalid_conversation", f"conversation_variables must be a list, not {kind_of(declared)}", path=PATH)
        return ()
    found = (_read(item, f"{PATH}[{index}]", findings, max_size) for index, item in enumerate(declared or ()))
    return tuple({variable.name: variable for variable in found if variable}.values())


def _read(item: Any, path: str, findings: Findings, max_size: int) -> ConversationVariable | None:
    try:
        return _variable(item, max_size)
    except VariableError as error:
        findings.error("invalid_conversation", error.message, path=path)
        return None


def _variable(item: Any, max_size: int) -> ConversationVariable:
    """Raises ``VariableError`` in the words that the reference server has for environment variables."""
    if not isinstance(item, Mapping):
        raise VariableError(f"a conversation variable must be a mapping, not {kind_of(item)}")
    name, kind, value = item.get("name"), item.get("value_type"), item.get("value")
    if not name or not isinstance(name, str):
        raise VariableError("missing name")
    if not kind:
        raise VariableError("missing value type")
    if value is None:
        raise VariableError("missing value")
    if not isinstance(kind, str) or kind not in TYPES | set(NUMBER_TYPES):
        raise VariableError(f"not supported value type {kind}")
    check_size(value, max_size)
    return ConversationVariable(name, settle_type("number" if kind in NUMBER_TYPES else kind, value), value)


def check_size(value: Any, max_size: int) -> None:
    """Conversation variables are bounded, at first and whenever they are assigned (nodes.md section 2.3). Raises ``VariableError``."""
    size = size_bytes(to_json(value, lambda file: ""))
    if size > max_size:
        raise VariableError(f"variable size {size} exceeds limit {max_size}")


def with_values(variables: Iterable[ConversationVariable], values: Mapping[str, Any]) -> tuple[ConversationVariable, ...]:
    """The variables, their values replaced where there is a kept one: as the next run of the conversation gets them."""
    return tuple(replace(variable, value=values.get(variable.name, variable.value)) for variable in variables)
