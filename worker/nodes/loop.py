"""loop: runs the nodes inside again and again, over variables of its own (nodes.md section 6.16)."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, ClassVar

from worker.engine.conditions import evaluate
from worker.engine.containers import Announce, Finish, Move, Round, RoundOutcome, Rounds
from worker.engine.declared_types import settle_type
from worker.engine.errors import NodeError, VariableError
from worker.engine.node import NodeContext, NodeResult, NodeSpec
from worker.engine.spending import NOTHING_SPENT
from worker.engine.variables import MISSING, VariablePool, type_of
from worker.nodes.condition_fields import read_conditions, read_logic
from worker.nodes.fields import Fields

VARIABLE_TYPES = (
    "string",
    "number",
    "object",
    "boolean",
    "array[string]",
    "array[number]",
    "array[object]",
    "array[boolean]",
)

#: Lists that are written as JSON text only; constants of the other types are written natively or as JSON text.
JSON_TYPES = frozenset({"array[string]", "array[number]", "array[object]"})

LOOP_END = "loop-end"


@dataclass(frozen=True, slots=True)
class LoopVariable:
    label: str
    type: str
    #: A selector when ``is_selector``, else the constant as written.
    value: Any
    is_selector: bool

    def initial(self, pool: VariablePool) -> tuple[str, Any]:
        """Type and value. Raises ``NodeError`` when there is no such value, or the constant does not fit the type."""
        if not self.is_selector:
            return constant(self.type, self.value)
        found = pool.get(tuple(self.value))
        if found is MISSING:
            raise NodeError(f"Invalid value for loop variable {self.label}", error_type="ValueError")
        return type_of(found), found


def constant(declared: str, written: Any) -> tuple[str, Any]:
    """Type and value of a constant as the editor writes it. Raises ``NodeError`` for one that does not fit."""
    mismatch = ""
    for value in _readings(declared, written):
        try:
            return settle_type(declared, value), value
        except VariableError as error:
            mismatch = error.message
    raise NodeError(mismatch, error_type="TypeMismatchError")


def _readings(declared: str, written: Any) -> Iterator[Any]:
    """What the constant may mean, in the order in which that is tried: a list its JSON text; another value itself, then the same."""
    if declared in JSON_TYPES:
        try:
            yield json.loads(written) if isinstance(written, str) and written else []
        except json.JSONDecodeError as error:
            raise NodeError(str(error), error_type="JSONDecodeError") from error
        return
    yield written
    if isinstance(written, str):
        with suppress(json.JSONDecodeError):
            yield json.loads(written)


class LoopNode:
    """The rounds share the variables of the frame around: what they write is seen by the next round, and after the loop."""

    is_branch: ClassVar[bool] = False
    is_pure: ClassVar[bool] = True
    scope_kind: ClassVar[str] = "loop"

    def __init__(self, spec: NodeSpec) -> None:
        fields = Fields.of(spec)
        self.id = spec.id
        self.start_node_id = fields.required_text("start_node_id")
        self.loop_count = fields.integer("loop_count", 1)
        if self.loop_count < 1:
            fields.report("loop_count", "'loop_count' must be 1 or more")
        self.logic = read_logic(fields)
        self.break_conditions = read_conditions(fields, "break_conditions")
        self.variables = [_read_variable(item) for item in fields.items("loop_variables")]
        fields.check()

    def open(self, pool: VariablePool, context: NodeContext, children: Sequence[str]) -> Rounds | NodeResult:
        typed = {variable.label: variable.initial(pool) for variable in self.variables}
        for label, (kind, value) in typed.items():
            pool.declare(self.id, label, kind)
            pool.set(self.id, label, value)
        return LoopRounds(self, {label: value for label, (_, value) in typed.items()}, pool, children)

    def is_broken(self, pool: VariablePool) -> bool:
        """Raises ``VariableError`` for a variable that is missing."""
        return bool(self.break_conditions) and evaluate(self.break_conditions, self.logic, pool).result


class LoopRounds:
    """One execution: one round at a time."""

    def __init__(self, node: LoopNode, initial: Mapping[str, Any], pool: VariablePool, children: Sequence[str]) -> None:
        self.inputs: Mapping[str, Any] = {"loop_count": node.loop_count, **initial}
        self.metadata: Mapping[str, Any] = {"loop_length": node.loop_count}
        self._node = node
        self._pool = pool
        self._children = children
        self._rounds = 0
        self._spending = NOTHING_SPENT
        self._durations: dict[str, float] = {}
        self._history: dict[str, dict[str, Any]] = {}

    def begin(self) -> Sequence[Move]:
        try:
            is_broken = self._node.is_broken(self._pool)
        except VariableError:
            # Conditions may use what only a round brings; before the first one that is no failure.
            is_broken = False
        return [self._finish("loop_break", {}, steps=0)] if is_broken else [self._round()]

    def after(self, outcome: RoundOutcome) -> Sequence[Move]:
        self._spending += outcome.spending
        if outcome.error is not None:
            return [self._fail(outcome.error)]
        self._durations[str(outcome.index)] = outcome.elapsed_s
        self._history[str(outcome.index)] = self._values()
        self._rounds += 1
        try:
            is_broken = LOOP_END in outcome.node_types or self._node.is_broken(self._pool)
        except VariableError as error:
            return [self._fail(NodeError(error.message, error_type="ValueError"))]
        if is_broken:
            return [self._finish("loop_break", self._outputs())]
        return [Announce(self._rounds), self._round() if self._rounds < self._node.loop_count else self._complete()]

    def _round(self) -> Round:
        for child in self._children:
            self._pool.remove_node(child)
        return Round(self._rounds, self._pool)

    def _values(self) -> dict[str, Any]:
        return {variable.label: self._pool.get((self._node.id, variable.label)) for variable in self._node.variables}

    def _outputs(self) -> dict[str, Any]:
        return {**self._values(), "loop_round": self._rounds}

    def _complete(self) -> Finish:
        return self._finish("loop_completed", self._outputs())

    def _fail(self, error: NodeError) -> Finish:
        return self._finish("error", {}, error)

    def _finish(self, reason: str, outputs: Mapping[str, Any], error: NodeError | None = None, steps: int | None = None) -> Finish:
        metadata = {
            **self._spending.metadata(),
            "completed_reason": reason,
            "loop_duration_map": self._durations,
            "loop_variable_map": self._history,
        }
        return Finish(outputs, error, self._spending, self._node.loop_count if steps is None else steps, metadata)


def _read_variable(fields: Fields) -> LoopVariable:
    is_selector = fields.choice("value_type", ("constant", "variable"), "constant") == "variable"
    value = fields.selector("value") if is_selector else fields.value("value")
    return LoopVariable(fields.required_text("label"), fields.choice("var_type", VARIABLE_TYPES, "string"), value, is_selector)


NODE = LoopNode
