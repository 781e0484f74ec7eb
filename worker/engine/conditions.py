"""Conditions of if-else cases and of loops (nodes.md section 5.3)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from worker.engine.errors import VariableError
from worker.engine.fact import fact
from worker.engine.operators import OPERATORS
from worker.engine.templates import Template
from worker.engine.variables import MISSING, File, Selector, VariablePool, file_attribute, type_of

Logic = Literal["and", "or"]

#: What a condition may compare with, as written; a template is rendered first.
Expected = Template | list[Any] | bool | None

#: Operators that look at the single files of a list.
FILE_LIST_OPERATORS = frozenset({"contains", "not contains", "all of"})

#: Operators that are not shown in node inputs.
UNSHOWN_OPERATORS = frozenset({"exists", "not exists"})


@dataclass(frozen=True, slots=True)
class FileCondition:
    """A sub-condition: compares one attribute of each file of a list."""

    #: One of ``FILE_ATTRIBUTES``.
    key: str
    operator: str
    #: Never a template.
    value: Any


@dataclass(frozen=True, slots=True)
class FileConditions:
    logic: Logic
    conditions: Sequence[FileCondition]


@dataclass(frozen=True, slots=True)
class Condition:
    selector: Selector
    #: A key of ``OPERATORS``.
    operator: str
    expected: Expected
    #: None: not written.
    sub_conditions: FileConditions | None = None
    #: The condition in the reference server's words, for ``process_data``.
    document: Mapping[str, Any] = field(default_factory=dict)


@fact
class Verdict:
    result: bool
    #: Of the conditions that were evaluated: each result, and ``{actual_value, expected_value, comparison_operator}`` of the shown ones.
    results: list[bool]
    inputs: list[dict[str, Any]]


def evaluate(conditions: Sequence[Condition], logic: Logic, pool: VariablePool) -> Verdict:
    """Evaluate in order, up to the first one that decides. Raises ``VariableError`` for missing variables and wrong types."""
    results: list[bool] = []
    inputs: list[dict[str, Any]] = []
    decisive = logic == "or"
    for condition in conditions:
        result, shown = _evaluate(condition, pool)
        results.append(result)
        inputs.extend(shown)
        if result is decisive:
            return Verdict(result, results, inputs)
    return Verdict(not decisive, results, inputs)


def _evaluate(condition: Condition, pool: VariablePool) -> tuple[bool, list[dict[str, Any]]]:
    actual = pool.get(condition.selector)
    if actual is MISSING:
        raise VariableError(f"Variable {list(condition.selector)} not found")
    if condition.operator in FILE_LIST_OPERATORS and _is_file_list(actual, condition):
        return _judge_files(condition, actual, pool), []
    if condition.operator in UNSHOWN_OPERATORS:
        return OPERATORS[condition.operator](actual, None), []
    expected = _expected(condition, actual, pool)
    shown = {"actual_value": actual, "expected_value": expected, "comparison_operator": condition.operator}
    return OPERATORS[condition.operator](actual, expected), [shown]


def _is_file_list(actual: Any, condition: Condition) -> bool:
    """An empty list has no type of its own: the sub-conditions tell that it is a list of files."""
    return isinstance(actual, list) and (type_of(actual) == "array[file]" or (actual == [] and condition.sub_conditions is not None))


def _expected(condition: Condition, actual: Any, pool: VariablePool) -> Any:
    written = condition.expected
    expected = written.render(pool) if isinstance(written, Template) else written
    if expected is None or not _is_boolean(actual):
        return expected
    return [_boolean(item) for item in expected] if isinstance(expected, list) else _boolean(expected)


def _is_boolean(actual: Any) -> bool:
    return isinstance(actual, bool) or (isinstance(actual, list) and type_of(actual) == "array[boolean]")


def _boolean(value: Any) -> bool:
    """What a boolean variable is compared with: numbers by truth, texts as the JSON they hold."""
    try:
        found = json.loads(value) if isinstance(value, str) else value
    except ValueError as error:
        raise VariableError(str(error)) from error
    if not isinstance(found, int):
        raise VariableError(f"unexpected value: type={type(value)}, value={value}")
    return bool(found)


def _judge_files(condition: Condition, files: list[File], pool: VariablePool) -> bool:
    """The outer operator only leads here: ``contains`` and ``not contains`` answer alike."""
    if condition.sub_conditions is None:
        raise VariableError("Sub variable is required")
    judge = all if condition.sub_conditions.logic == "and" else any
    return judge([_judge_each(sub, files, pool) for sub in condition.sub_conditions.conditions])


def _judge_each(condition: FileCondition, files: list[File], pool: VariablePool) -> bool:
    values = [file_attribute(file, condition.key, pool.file_url) for file in files]
    expected = condition.value
    if condition.key == "extension":
        if not isinstance(expected, str):
            raise VariableError("The value compared with a file extension must be a text")
        values, expected = [_dotted(value) for value in values], _dotted(expected)
    compare = OPERATORS[condition.operator]
    judge = all if "not" in condition.operator else any
    return judge([compare(value, expected) for value in values])


def _dotted(extension: str) -> str:
    return extension if not extension or extension.startswith(".") else f".{extension}"
