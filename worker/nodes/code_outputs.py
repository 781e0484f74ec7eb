"""Checks the result of a code node against its declared outputs (nodes.md section 6.5).

Messages, their order and their spelling are the reference server's, since fail-branches show them to users: a value inside a declared
object is called ``.object.key``, one inside a list of objects ``list[0].key``.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from worker.engine.errors import NodeError
from worker.engine.limits import Limits

#: Texts that are taken for numbers: ``-?digits[.digits]e±digits``.
SCIENTIFIC = re.compile(r"-?\d+\.?\d*e[+-]\d+", re.ASCII | re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Output:
    """A declared output, or a declared key of one."""

    type: str
    #: The keys of an object, or of each object of a list; None: any JSON.
    children: Mapping[str, Output] | None = None


def checked_result(result: Any, outputs: Mapping[str, Output], limits: Limits) -> dict[str, Any]:
    """The declared outputs, in the order of their declaration. Raises ``NodeError``."""
    if not isinstance(result, dict):
        raise NodeError(f"Result must be a dict, got {type(result).__name__}", error_type="ValueError")
    return ResultCheck(limits).declared(with_numbers(result), outputs, prefix="", depth=1)


def with_numbers(value: Any) -> Any:
    """Texts in scientific notation become floats, at every level: so the reference's sandbox hands results on."""
    if isinstance(value, str):
        return _number(value) if SCIENTIFIC.fullmatch(value) else value
    if isinstance(value, dict):
        return {key: with_numbers(item) for key, item in value.items()}
    return [with_numbers(item) for item in value] if isinstance(value, list) else value


def _number(text: str) -> float | str:
    number = float(text)
    return number if math.isfinite(number) else text


class ResultCheck:
    """Each method answers the value to keep, or raises ``NodeError``."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits

    # ---- declared values

    def declared(self, result: Mapping[str, Any], outputs: Mapping[str, Output], prefix: str, depth: int) -> dict[str, Any]:
        self._check_depth(depth)
        found = {}
        for key, output in outputs.items():
            name = f"{prefix}.{key}" if prefix else key
            if key not in result:
                raise _invalid(f"Output {name} is missing.")
            value = result[key]
            found[key] = None if value is None else CHECKS[output.type](self, value, output, name, depth)
        if len(found) != len(result):
            raise _invalid("Not all output parameters are validated.")
        return found

    def anything(self, value: Any, output: Output, name: str, depth: int) -> Any:
        """Declared booleans are not checked."""
        return value

    def string(self, value: Any, output: Output, name: str, depth: int) -> str:
        if not isinstance(value, str):
            raise _invalid(f"Output {name} must be a string, got {type(value).__name__} instead")
        return self._text(value, name)

    def number(self, value: Any, output: Output, name: str, depth: int) -> float:
        if not isinstance(value, int | float):
            raise _invalid(f"Output {name} is not a number, got {type(value)} instead.")
        self._check_number(value, name)
        return _without_bool(value)

    def object(self, value: Any, output: Output, name: str, depth: int) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise _invalid(f"Output {name} is not an object, got {type(value)} instead.")
        # The dot in front is there in the reference at the first level only.
        return self._mapping(value, output, name if depth > 1 else f".{name}", depth)

    def _mapping(self, value: dict[str, Any], output: Output, name: str, depth: int) -> dict[str, Any]:
        if output.children is not None:
            return self.declared(value, output.children, name, depth + 1)
        self._check_free(value, name, depth + 1)
        return value

    def strings(self, value: Any, output: Output, name: str, depth: int) -> list[str | None]:
        items = self._array(value, name, self._limits.code_max_string_array_length)
        return [None if item is None else self._element_text(item, f"{name}[{index}]") for index, item in enumerate(items)]

    def numbers(self, value: Any, output: Output, name: str, depth: int) -> list[float]:
        items = self._array(value, name, self._limits.code_max_number_array_length)
        for index, item in enumerate(items):
            if not isinstance(item, int | float):
                raise _invalid(f"The element at index {index} of output variable `{name}` must be a number.")
            self._check_number(item, f"{name}[{index}]")
        return [_without_bool(item) for item in items]

    def objects(self, value: Any, output: Output, name: str, depth: int) -> list[dict[str, Any] | None]:
        items = self._array(value, name, self._limits.code_max_object_array_length)
        for index, item in enumerate(items):
            if not isinstance(item, dict | None):
                raise _invalid(f"Output {name}[{index}] is not an object, got {type(item)} instead at index {index}.")
        return [None if item is None else self._mapping(item, output, f"{name}[{index}]", depth) for index, item in enumerate(items)]

    def booleans(self, value: Any, output: Output, name: str, depth: int) -> list[bool | None]:
        items = self._array(value, name, None)
        for index, item in enumerate(items):
            if not isinstance(item, bool | None):
                raise _invalid(f"Output {name}[{index}] is not a boolean, got {type(item)} instead.")
        return items

    def _array(self, value: Any, name: str, most: int | None) -> list[Any]:
        if not isinstance(value, list):
            raise _invalid(f"Output {name} is not an array, got {type(value)} instead.")
        if most is not None and len(value) > most:
            raise _invalid(f"The length of output variable `{name}` must be less than {most} elements.")
        return value

    # ---- values inside free JSON

    def _check_free(self, value: Mapping[str, Any], name: str, depth: int) -> None:
        """A mapping without declared children."""
        self._check_depth(depth)
        for key, item in value.items():
            self._check_free_item(item, f"{name}.{key}", depth)

    def _check_free_item(self, item: Any, name: str, depth: int) -> None:
        if isinstance(item, dict):
            self._check_free(item, name, depth + 1)
        elif isinstance(item, list):
            self._check_free_list(item, name, depth)
        elif isinstance(item, str):
            self._text(item, name)
        elif isinstance(item, int | float) and not isinstance(item, bool):
            self._check_number(item, name)

    def _check_free_list(self, items: Sequence[Any], name: str, depth: int) -> None:
        """All of one kind, judged by the first; a list that begins with null may hold anything."""
        kind = next((kind for kind in KINDS if items and isinstance(items[0], kind)), None)
        if kind is None:
            return
        if not all(item is None or isinstance(item, kind) for item in items):
            raise _invalid(f"Output {name} is not a valid array. make sure all elements are of the same type.")
        for index, item in enumerate(items):
            deeper = depth + 1 if isinstance(item, list) else depth
            self._check_depth(deeper)
            self._check_free_item(item, f"{name}[{index}]", deeper)

    # ---- limits

    def _check_depth(self, depth: int) -> None:
        if depth > self._limits.code_max_depth:
            raise NodeError(f"Depth limit {self._limits.code_max_depth} reached, object too deep.", error_type="DepthLimitError")

    def _text(self, value: str, name: str) -> str:
        if len(value) > self._limits.code_max_string_length:
            raise _invalid(f"The length of output variable `{name}` must be less than {self._limits.code_max_string_length} characters")
        return value.replace("\0", "")

    def _element_text(self, item: Any, name: str) -> str:
        """The elements of a list of texts are not checked before they are measured, so what users see is Python's own complaint."""
        if isinstance(item, int | float):
            raise NodeError(f"object of type '{type(item).__name__}' has no len()", error_type="TypeError")
        if not isinstance(item, str):
            raise NodeError(f"'{type(item).__name__}' object has no attribute 'replace'", error_type="AttributeError")
        return self._text(item, name)

    def _check_number(self, value: float, name: str) -> None:
        least, most = self._limits.code_min_number, self._limits.code_max_number
        if not least <= value <= most:
            raise _invalid(f"Output variable `{name}` is out of range, it must be between {least} and {most}.")
        if isinstance(value, float) and _decimals(value) > self._limits.code_max_precision:
            most_digits = self._limits.code_max_precision
            raise _invalid(f"Output variable `{name}` has too high precision, it must be less than {most_digits} digits.")


#: Every type that an output may declare, with its check of a value that is not null.
CHECKS: dict[str, Callable[[ResultCheck, Any, Output, str, int], Any]] = {
    "string": ResultCheck.string,
    "number": ResultCheck.number,
    "boolean": ResultCheck.anything,
    "object": ResultCheck.object,
    "array[string]": ResultCheck.strings,
    "array[number]": ResultCheck.numbers,
    "array[object]": ResultCheck.objects,
    "array[boolean]": ResultCheck.booleans,
}

#: What the items of a free list may have in common; bool counts as a number.
KINDS: tuple[Any, ...] = (int | float, str, dict, list)


def _decimals(value: float) -> int:
    exponent = Decimal(str(value)).normalize().as_tuple().exponent
    return max(-exponent, 0) if isinstance(exponent, int) else 0


def _without_bool(value: float) -> float:
    return int(value) if isinstance(value, bool) else value


def _invalid(message: str) -> NodeError:
    return NodeError(message, error_type="OutputValidationError")
