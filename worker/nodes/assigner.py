"""assigner: writes variables of the loop around it, or others that are there already (nodes.md section 6.14).

What is written reaches the pool with the node's result, all of it or, after a failure, nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from worker.engine.conversation import check_size
from worker.engine.declared_types import is_array, zero_value
from worker.engine.errors import NodeError, Partial, VariableError
from worker.engine.node import NodeContext, NodeResult, NodeSpec
from worker.engine.variables import CONVERSATION, ENV, MISSING, Selector, VariablePool, plain
from worker.nodes.assigner_operations import (
    APPEND,
    CLEAR,
    CONSTANT,
    OPERATIONS,
    OVER_WRITE,
    VALUELESS,
    VARIABLE,
    check_support,
    checked_value,
    result_of,
)
from worker.nodes.fields import Fields

UPDATES = "__updated_variables"


class AssignerNode:
    """The first version: one variable, no type checks."""

    is_pure: ClassVar[bool] = True
    is_branch: ClassVar[bool] = False

    def __init__(self, spec: NodeSpec) -> None:
        fields = Fields.of(spec)
        self._target = fields.selector("assigned_variable_selector")
        self._mode = fields.choice("write_mode", (OVER_WRITE, APPEND, CLEAR))
        self._source = fields.selector("input_variable_selector")
        fields.check()
        self.written_selectors = (self._target,)

    def run(self, pool: VariablePool, context: NodeContext) -> NodeResult:
        if not is_writable(self._target, pool):
            raise _operator_error("assigned variable not found")
        kind = pool.type_at(*self._target)
        incoming = _zero(kind) if self._mode == CLEAR else self._incoming(pool)
        value = self._appended(pool.get(self._target), kind, incoming) if self._mode == APPEND else incoming
        try:
            check_sizes([(self._target, value)], context)
        except VariableError as error:
            raise _operator_error(error.message) from error
        return NodeResult(
            inputs={"value": incoming},
            process_data={UPDATES: [_update(self._target, kind, value)]},
            writes=[(self._target, value)],
        )

    def _incoming(self, pool: VariablePool) -> Any:
        found = pool.get(self._source)
        if found is MISSING:
            raise _operator_error("input value not found")
        return plain(found)

    def _appended(self, old: Any, kind: str, value: Any) -> list[Any]:
        if not is_array(kind):
            raise _operator_error("append mode requires an array variable")
        return [*old, value]


@dataclass(frozen=True, slots=True)
class Item:
    """One operation of the second version."""

    target: Selector
    operation: str
    #: ``VARIABLE`` or ``CONSTANT``.
    input_type: str
    #: The constant; or a selector, if what is written there is one.
    value: Any

    @classmethod
    def of(cls, fields: Fields) -> Item:
        input_type, value = fields.choice("input_type", (VARIABLE, CONSTANT)), fields.value("value")
        if input_type == VARIABLE and isinstance(value, list):
            value = fields.selector("value")
        return cls(fields.selector("variable_selector"), fields.choice("operation", OPERATIONS), input_type, value)

    @property
    def document(self) -> dict[str, Any]:
        value = list(self.value) if isinstance(self.value, tuple) else self.value
        return {"variable_selector": list(self.target), "input_type": self.input_type, "operation": self.operation, "value": value}

    def result(self, pool: VariablePool) -> Any:
        """The new value of the target; ``MISSING`` if a null came in, which changes nothing. Raises ``VariableError``."""
        if not is_writable(self.target, pool):
            raise VariableError(f"Variable {list(self.target)} not found")
        kind = pool.type_at(*self.target)
        check_support(self.operation, self.input_type, kind)
        incoming = self._incoming(pool) if self._reads_variable else self.value
        if incoming is None and self._reads_variable:
            return MISSING
        value = checked_value(self.operation, kind, incoming)
        return result_of(self.operation, kind, pool.get(self.target), value)

    @property
    def selectors(self) -> tuple[Selector, ...]:
        """Of the variables that it reads or writes."""
        return (self.target, self.value) if isinstance(self.value, tuple) else (self.target,)

    @property
    def _reads_variable(self) -> bool:
        return self.input_type == VARIABLE and self.operation not in VALUELESS and self.value is not None

    def _incoming(self, pool: VariablePool) -> Any:
        found = pool.get(self.value) if isinstance(self.value, tuple) else MISSING
        if found is MISSING:
            raise VariableError(f"Variable {self.document['value']} not found")
        return plain(found)


class BatchAssignerNode:
    """The second version: typed operations, each of which sees what the ones before it wrote."""

    is_pure: ClassVar[bool] = True
    is_branch: ClassVar[bool] = False

    def __init__(self, spec: NodeSpec) -> None:
        fields = Fields.of(spec)
        self._items = [Item.of(item) for item in fields.items("items")]
        fields.check()
        self._shown = _shown(spec, self._items)
        self.written_selectors = tuple(item.target for item in self._items)
        #: First parts of all that is read or written: a draft of the whole pool would cost as much as the run has nodes.
        self._touched = frozenset(first for item in self._items for selector in item.selectors for first in selector[:1])

    def run(self, pool: VariablePool, context: NodeContext) -> NodeResult:
        try:
            writes = self._writes(pool)
            check_sizes(writes, context)
        except VariableError as error:
            # The reference server shows no class name for these failures.
            raise NodeError(error.message, error_type="", partial=Partial(inputs=self._shown)) from error
        return NodeResult(inputs=self._shown, process_data=_told(writes, pool), writes=writes)

    def _writes(self, pool: VariablePool) -> list[tuple[Selector, Any]]:
        # One operation alone needs no draft for others to look into.
        draft = pool.part(self._touched) if len(self._items) > 1 else pool
        written: dict[Selector, Any] = {}
        for item in self._items:
            value = item.result(draft)
            if value is not MISSING:
                written[item.target] = value
                if draft is not pool:
                    draft.set(item.target[0], item.target[1], value)
        return list(written.items())


def is_writable(target: Selector, pool: VariablePool) -> bool:
    """It names a variable that is there, and not a part of one; environment variables never change (dsl.md section 7.1)."""
    return len(target) == 2 and target[0] != ENV and pool.get(target) is not MISSING


def check_sizes(writes: Sequence[tuple[Selector, Any]], context: NodeContext) -> None:
    """Conversation variables are bounded, others are not. Raises ``VariableError``."""
    for target, value in writes:
        if target[0] == CONVERSATION:
            check_size(value, context.ports.limits.max_variable_size)


def _told(writes: Sequence[tuple[Selector, Any]], pool: VariablePool) -> dict[str, Any]:
    values = {target[1]: value for target, value in writes}
    return {**values, UPDATES: [_update(target, pool.type_of_new(target[0], target[1], value), value) for target, value in writes]}


def _update(target: Selector, kind: str, value: Any) -> dict[str, Any]:
    return {"name": target[1], "selector": list(target), "value_type": kind, "new_value": value}


def _zero(kind: str) -> Any:
    try:
        return zero_value(kind)
    except VariableError as error:
        raise NodeError(error.message, error_type="ValueError") from error


def _operator_error(message: str) -> NodeError:
    return NodeError(message, error_type="VariableOperatorNodeError")


def _shown(spec: NodeSpec, items: Sequence[Item]) -> Mapping[str, Any]:
    """The node's inputs: its own configuration."""
    retry = spec.data.get("retry_config")
    given = retry if isinstance(retry, Mapping) else {}
    defaults = {"max_retries": 0, "retry_interval": 0, "retry_enabled": False}
    return {
        "title": spec.title,
        "desc": spec.data.get("desc"),
        "version": spec.version,
        "error_strategy": spec.data.get("error_strategy") or None,
        "default_value": spec.data.get("default_value"),
        "retry_config": {key: given.get(key, default) for key, default in defaults.items()},
        "items": [item.document for item in items],
    }


NODES = {"1": AssignerNode, "2": BatchAssignerNode}
