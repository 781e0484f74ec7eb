"""The comparison operators of conditions (nodes.md section 5.3): ``OPERATORS[name](actual, expected)``.

``actual`` is a value of the pool, ``expected`` the rendered text, a list, a boolean or None. They raise ``VariableError`` for a value of
a wrong type. What counts as empty is what Python calls false: ``""``, 0, False, None, ``[]`` and ``{}``.
"""

from __future__ import annotations

import operator as python
from collections.abc import Callable, Mapping
from typing import Any

from worker.engine.errors import VariableError

Operator = Callable[[Any, Any], bool]


def contains(actual: Any, expected: Any) -> bool:
    if not actual:
        return False
    _require(actual, (str, list), "string or array")
    return str(expected) in actual if isinstance(actual, str) else expected in actual


def not_contains(actual: Any, expected: Any) -> bool:
    return not actual or not contains(actual, expected)


def starts_with(actual: Any, expected: Any) -> bool:
    return bool(actual) and _text(actual).startswith(_expected_text(expected))


def ends_with(actual: Any, expected: Any) -> bool:
    return bool(actual) and _text(actual).endswith(_expected_text(expected))


def equal(actual: Any, expected: Any) -> bool:
    """``is``: a null is equal to nothing."""
    if actual is None:
        return False
    _require(actual, (str, bool), "string or boolean")
    return bool(actual == expected)


def unequal(actual: Any, expected: Any) -> bool:
    """``is not``: a null is not even unequal."""
    return actual is not None and not equal(actual, expected)


def among(actual: Any, expected: Any) -> bool:
    return bool(actual) and actual in _expected_list(expected)


def not_among(actual: Any, expected: Any) -> bool:
    return not actual or actual not in _expected_list(expected)


def all_of(actual: Any, expected: Any) -> bool:
    if not isinstance(expected, list):
        raise VariableError("Unsupported operator: all of")
    if not any(all(isinstance(item, kind) for item in expected) for kind in (str, bool)):
        raise VariableError("Invalid expected value type: array of strings or array of booleans")
    if not actual:
        return False
    _require(actual, (str, list), "string or array")
    return all(contains(actual, item) for item in expected)


def same_number(actual: Any, expected: Any) -> bool:
    if actual is None:
        return False
    _require(actual, (int, float), "number or boolean")
    try:
        return bool(actual == type(actual)(expected))
    except (TypeError, ValueError, OverflowError) as error:
        raise VariableError(str(error)) from error


def other_number(actual: Any, expected: Any) -> bool:
    return actual is not None and not same_number(actual, expected)


def ordered(compare: Operator) -> Operator:
    """An operator on numbers; Python compares integers and floats exactly, however large."""

    def compare_numbers(actual: Any, expected: Any) -> bool:
        if actual is None:
            return False
        _require(actual, (int, float), "number")
        return compare(actual, _number(expected))

    return compare_numbers


def is_null(actual: Any, expected: Any) -> bool:
    return actual is None


def is_not_null(actual: Any, expected: Any) -> bool:
    return actual is not None


def is_empty(actual: Any, expected: Any) -> bool:
    return not actual


def is_not_empty(actual: Any, expected: Any) -> bool:
    return bool(actual)


OPERATORS: Mapping[str, Operator] = {
    "contains": contains,
    "not contains": not_contains,
    "start with": starts_with,
    "end with": ends_with,
    "is": equal,
    "is not": unequal,
    "empty": is_empty,
    "not empty": is_not_empty,
    "in": among,
    "not in": not_among,
    "all of": all_of,
    "=": same_number,
    "≠": other_number,
    ">": ordered(python.gt),
    "<": ordered(python.lt),
    "≥": ordered(python.ge),
    "≤": ordered(python.le),
    "null": is_null,
    "not null": is_not_null,
    "exists": is_not_null,
    "not exists": is_null,
}


def _require(actual: Any, kinds: tuple[type, ...], names: str) -> None:
    if not isinstance(actual, kinds):
        raise VariableError(f"Invalid actual value type: {names}")


def _text(actual: Any) -> str:
    _require(actual, (str,), "string")
    return str(actual)


def _expected_text(expected: Any) -> str:
    if not isinstance(expected, str):
        raise VariableError("Invalid expected value type: string")
    return expected


def _expected_list(expected: Any) -> list[Any]:
    if not isinstance(expected, list):
        raise VariableError("Invalid expected value type: array")
    return expected


def _number(expected: Any) -> int | float:
    if isinstance(expected, int | float):
        return expected
    for parse in (int, float):
        try:
            return parse(expected)
        except (TypeError, ValueError, OverflowError):
            continue
    raise VariableError(f"Cannot convert '{expected}' to number")
