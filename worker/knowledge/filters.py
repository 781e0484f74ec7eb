"""Conditions on the metadata of documents (nodes.md section 6.11). A document without the field fits no comparison but the negated ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from worker.engine.knowledge import MetadataCondition, MetadataFilter

Compare = Callable[[Any, Any], bool]


def fits(chosen: MetadataFilter | None, metadata: Mapping[str, Any]) -> bool:
    """Without conditions everything fits."""
    if chosen is None or not chosen.conditions:
        return True
    judge = all if chosen.logic == "and" else any
    return judge(_holds(condition, metadata) for condition in chosen.conditions)


def _holds(condition: MetadataCondition, metadata: Mapping[str, Any]) -> bool:
    actual = metadata.get(condition.name)
    if condition.operator == "empty":
        return actual in (None, "")
    if condition.operator == "not empty":
        return actual not in (None, "")
    positive = NEGATIONS.get(condition.operator)
    holds = actual is not None and OPERATORS[positive or condition.operator](actual, condition.value)
    return holds is (positive is None)


def _same(actual: Any, expected: Any) -> bool:
    left, right = _number(actual), _number(expected)
    return _text(actual) == _text(expected) or (left is not None and left == right)


def _among(actual: Any, expected: Any) -> bool:
    """A text lists its items with commas."""
    items = expected if isinstance(expected, list) else [item.strip() for item in _text(expected).split(",")]
    return any(_same(actual, item) for item in items)


def _ordered(compare: Callable[[float, float], bool]) -> Compare:
    def compare_numbers(actual: Any, expected: Any) -> bool:
        left, right = _number(actual), _number(expected)
        return left is not None and right is not None and compare(left, right)

    return compare_numbers


OPERATORS: Mapping[str, Compare] = {
    "contains": lambda actual, expected: _text(expected) in _text(actual),
    "start with": lambda actual, expected: _text(actual).startswith(_text(expected)),
    "end with": lambda actual, expected: _text(actual).endswith(_text(expected)),
    "is": _same,
    "in": _among,
    "=": _ordered(lambda left, right: left == right),
    ">": _ordered(lambda left, right: left > right),
    "<": _ordered(lambda left, right: left < right),
    "≥": _ordered(lambda left, right: left >= right),
    "≤": _ordered(lambda left, right: left <= right),
    "after": _ordered(lambda left, right: left > right),
    "before": _ordered(lambda left, right: left < right),
}

NEGATIONS = {"not contains": "contains", "is not": "is", "not in": "in", "≠": "="}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else "" if value is None else str(value)


def _number(value: Any) -> float | None:
    """A number; of a date, its epoch seconds (UTC unless it says otherwise); None for anything else."""
    if isinstance(value, int | float):
        return float(value)
    try:
        return float(value)
    except (TypeError, ValueError):
        return _epoch_s(value)


def _epoch_s(value: Any) -> float | None:
    try:
        found = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        return None
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
