"""list-operator: filters a list, picks one of its items, sorts it, cuts it short (nodes.md section 6.18)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from worker.engine.errors import NodeError, Partial
from worker.engine.node import NodeContext, NodeResult, NodeSpec
from worker.engine.templates import Template
from worker.engine.variables import MISSING, Selector, VariablePool, type_of
from worker.nodes.fields import Fields
from worker.nodes.list_filters import (
    FILE_KEYS,
    OPERATORS,
    ListError,
    attribute,
    keep_booleans,
    keep_files,
    keep_numbers,
    keep_texts,
)

FILES = "array[file]"
KEEP: Mapping[str, Callable[[Any, str, Any], list[Any]]] = {
    "array[string]": keep_texts,
    "array[number]": keep_numbers,
    "array[boolean]": keep_booleans,
}

#: The reference server tells its class of a value that is no such list, by type of the value.
CLASS_NAMES: Mapping[str, str] = {
    "string": "String",
    "secret": "Secret",
    "integer": "Integer",
    "float": "Float",
    "boolean": "Boolean",
    "object": "Object",
    "file": "File",
    "array[any]": "ArrayAny",
    "array[object]": "ArrayObject",
}


@dataclass(frozen=True, slots=True)
class Filter:
    """One condition; an item must meet all of them."""

    #: Attribute of a file.
    key: str
    operator: str
    #: A template, a list of texts, or true or false.
    value: Template | list[Any] | bool

    @classmethod
    def of(cls, fields: Fields) -> Filter:
        value = fields.value("value", "")
        comparison = fields.choice("comparison_operator", OPERATORS, "contains")
        return cls(fields.text("key"), comparison, value if isinstance(value, list | bool) else fields.template("value"))

    def keep(self, items: list[Any], kind: str, pool: VariablePool) -> list[Any]:
        value = self.value.render(pool) if isinstance(self.value, Template) else self.value
        if kind == FILES:
            return keep_files(items, self.key, self.operator, value, pool.file_url)
        return KEEP[kind](items, self.operator, value)


@dataclass(frozen=True, slots=True)
class Order:
    """Values in their own order, not a reader's: ``"B"`` before ``"a"``, ``"10"`` before ``"9"``."""

    #: Attribute that files are sorted by.
    key: str
    is_descending: bool

    @classmethod
    def of(cls, fields: Fields) -> Order:
        return cls(fields.text("key"), fields.choice("value", ("asc", "desc"), "asc") == "desc")

    def sort(self, items: list[Any], kind: str, pool: VariablePool) -> list[Any]:
        if kind != FILES:
            return sorted(items, reverse=self.is_descending)
        if self.key not in FILE_KEYS:
            raise ListError(f"Invalid order key: {self.key}")
        return sorted(items, key=lambda file: attribute(file, self.key, pool.file_url), reverse=self.is_descending)


class ListOperatorNode:
    is_pure: ClassVar[bool] = True
    is_branch: ClassVar[bool] = False

    def __init__(self, spec: NodeSpec) -> None:
        fields = Fields.of(spec)
        self._selector = fields.selector("variable")
        filters, extract, order, limit = (_enabled(fields, name) for name in ("filter_by", "extract_by", "order_by", "limit"))
        self._filters = [Filter.of(item) for item in filters.items("conditions")] if filters else []
        self._serial = extract.template("serial", "1") if extract else None
        self._order = Order.of(order) if order else None
        #: Most items of the result; negative: all.
        self._size = limit.integer("size", -1) if limit else -1
        fields.check()

    def run(self, pool: VariablePool, context: NodeContext) -> NodeResult:
        items = self._items(pool)
        shown = {"variable": items}
        try:
            result = self._operate(items, type_of(items), pool) if items else []
        except ListError as error:
            error.partial = Partial(inputs=shown, process_data=shown)
            raise
        ends = {"first_record": result[0] if result else None, "last_record": result[-1] if result else None}
        return NodeResult({"result": result, **ends}, inputs=shown, process_data=shown)

    def _items(self, pool: VariablePool) -> list[Any]:
        """The list; whatever is empty, or null, is an empty one."""
        found = pool.get(self._selector)
        if found is MISSING:
            raise ListError(f"Variable not found for selector: {list(self._selector)}")
        if not found:
            return []
        kind = type_of(found)
        if kind != FILES and kind not in KEEP:
            raise ListError(f"Variable {list(self._selector)} is not an array type, actual type: {_class_of(kind, self._selector)}")
        return list(found)

    def _operate(self, items: list[Any], kind: str, pool: VariablePool) -> list[Any]:
        for condition in self._filters:
            items = condition.keep(items, kind, pool)
        if self._serial is not None:
            items = [_pick(items, self._serial.render(pool))]
        if self._order is not None:
            items = self._order.sort(items, kind, pool)
        return items[: self._size] if self._size >= 0 else items


def _enabled(fields: Fields, name: str) -> Fields | None:
    """The settings of one operation, if it is switched on; else nothing of them counts."""
    settings = fields.mapping(name)
    return settings if settings.flag("enabled") else None


def _pick(items: list[Any], serial: str) -> Any:
    """The item of a 1-based number."""
    try:
        number = int(serial)
    except ValueError as error:
        raise NodeError(str(error), error_type="ValueError") from error
    if number < 1:
        raise NodeError(f"Invalid serial index: must be >= 1, got {number}", error_type="ValueError")
    if number > len(items):
        raise ListError(f"Invalid serial index: must be <= {len(items)}, got {number}")
    return items[number - 1]


def _class_of(kind: str, selector: Selector) -> str:
    """A value by itself is one class over there, a part of another value a different one."""
    module, suffix = ("variables", "Variable") if len(selector) == 2 else ("segments", "Segment")
    return f"<class 'core.variables.{module}.{CLASS_NAMES[kind]}{suffix}'>"


NODE = ListOperatorNode
