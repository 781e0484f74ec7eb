"""Reads conditions (nodes.md section 5.3) out of a node's configuration."""

from __future__ import annotations

from typing import Any, cast

from worker.engine.conditions import Condition, Expected, FileCondition, FileConditions, Logic
from worker.engine.operators import OPERATORS
from worker.engine.templates import Template
from worker.engine.values import FILE_ATTRIBUTES
from worker.nodes.fields import Fields


def read_logic(fields: Fields) -> Logic:
    return cast("Logic", fields.choice("logical_operator", ("and", "or"), "and"))


def read_conditions(fields: Fields, key: str = "conditions") -> list[Condition]:
    return [_read(item) for item in fields.items(key)]


def _read(fields: Fields) -> Condition:
    operator = fields.choice("comparison_operator", OPERATORS)
    selector = fields.selector("variable_selector")
    sub_conditions = None if fields.value("sub_variable_condition") is None else _read_files(fields.mapping("sub_variable_condition"))
    document = {
        "variable_selector": list(selector),
        "comparison_operator": operator,
        "value": fields.value("value"),
        "sub_variable_condition": fields.value("sub_variable_condition"),
    }
    return Condition(selector, operator, _expected(fields), sub_conditions, document)


def _expected(fields: Fields) -> Expected:
    value = fields.value("value")
    if isinstance(value, list | bool | None):
        return value
    return Template.parse(fields.text("value"))


def _read_files(fields: Fields) -> FileConditions:
    return FileConditions(read_logic(fields), [_read_file(item) for item in fields.items("conditions")])


def _read_file(fields: Fields) -> FileCondition:
    value: Any = fields.value("value")
    return FileCondition(fields.choice("key", FILE_ATTRIBUTES), fields.choice("comparison_operator", OPERATORS), value)
