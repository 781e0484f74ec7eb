"""iteration: runs the nodes inside once per item of a list (nodes.md section 6.15)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from worker.engine.containers import Announce, Finish, Move, Round, RoundOutcome, Rounds
from worker.engine.errors import NodeError
from worker.engine.node import NodeContext, NodeResult, NodeSpec
from worker.engine.spending import NOTHING_SPENT
from worker.engine.variables import CONVERSATION, MISSING, Selector, VariablePool, type_of
from worker.nodes.fields import Fields

TERMINATED = "terminated"
CONTINUE_ON_ERROR = "continue-on-error"
REMOVE_ABNORMAL_OUTPUT = "remove-abnormal-output"
ERROR_MODES = (TERMINATED, CONTINUE_ON_ERROR, REMOVE_ABNORMAL_OUTPUT)


class IterationNode:
    """Each round sees a copy of the variables with ``(id, "item")`` and ``(id, "index")``; what it writes stays inside."""

    is_branch: ClassVar[bool] = False
    is_pure: ClassVar[bool] = True
    scope_kind: ClassVar[str] = "iteration"

    def __init__(self, spec: NodeSpec) -> None:
        fields = Fields.of(spec)
        self.id = spec.id
        self.start_node_id = fields.required_text("start_node_id")
        self.iterator_selector = fields.selector("iterator_selector")
        self.output_selector = fields.selector("output_selector")
        self.error_mode = fields.choice("error_handle_mode", ERROR_MODES, TERMINATED)
        is_parallel, most = fields.flag("is_parallel"), fields.integer("parallel_nums", 10)
        self.rounds_at_once = max(1, most) if is_parallel else 1
        self.flatten_output = fields.flag("flatten_output", True)
        fields.check()

    def open(self, pool: VariablePool, context: NodeContext, children: Sequence[str]) -> Rounds | NodeResult:
        items = pool.get(self.iterator_selector)
        if items is MISSING:
            raise NodeError(f"iterator variable {list(self.iterator_selector)!r} not found", error_type="IteratorVariableNotFoundError")
        if items is not None and not isinstance(items, list):
            raise NodeError(_not_a_list(items, self.iterator_selector), error_type="InvalidIteratorValueError")
        return IterationRounds(self, items, pool) if items else NodeResult({"output": []}, {"iterator_selector": []})


class IterationRounds:
    """One execution: starts rounds in index order, up to so many at once, and collects their results by index."""

    def __init__(self, node: IterationNode, items: Sequence[Any], pool: VariablePool) -> None:
        self.inputs: Mapping[str, Any] = {"iterator_selector": items}
        self.metadata: Mapping[str, Any] = {"iteration_length": len(items)}
        self._node = node
        self._items = items
        self._pool = pool
        #: Results and durations of the rounds that ended, by index.
        self._results: dict[int, Any] = {}
        self._durations: dict[int, float] = {}
        self._failed: set[int] = set()
        self._next = 0
        self._running = 0
        self._spending = NOTHING_SPENT
        self._error: NodeError | None = None

    def begin(self) -> Sequence[Move]:
        return self._refill()

    def after(self, outcome: RoundOutcome) -> Sequence[Move]:
        self._running -= 1
        if self._node.rounds_at_once == 1:
            # Of what a round writes, only this outlives it; rounds side by side would overwrite each other's (nodes.md section 4.1).
            self._pool.take_over(CONVERSATION, outcome.pool)
        self._spending += outcome.spending
        self._durations[outcome.index] = outcome.elapsed_s
        if outcome.error is None:
            self._results[outcome.index] = self._result(outcome.pool)
        else:
            self._failed.add(outcome.index)
            if self._node.error_mode == TERMINATED:
                self._error = self._error or outcome.error
        moves = [] if self._error else self._refill()
        return moves if moves or self._running else [self._finish()]

    def _refill(self) -> list[Move]:
        moves: list[Move] = []
        while self._running < self._node.rounds_at_once and self._next < len(self._items):
            moves += [Announce(self._next), Round(self._next, self._round_pool(self._next))]
            self._next += 1
            self._running += 1
        return moves

    def _round_pool(self, index: int) -> VariablePool:
        pool = self._pool.copy()
        pool.add_outputs(self._node.id, {"item": self._items[index], "index": index})
        return pool

    def _result(self, pool: VariablePool) -> Any:
        found = pool.get(self._node.output_selector)
        return None if found is MISSING else found

    def _finish(self) -> Finish:
        durations = {str(index): self._durations[index] for index in sorted(self._durations)}
        return Finish(
            {"output": self._output()},
            error=self._error,
            spending=self._spending,
            steps=len(self._items),
            metadata={**self._spending.metadata(), "iteration_duration_map": durations},
        )

    def _output(self) -> list[Any]:
        if self._error is not None:
            # The reference server answers what there is: in parallel mode one place per item.
            count = len(self._items) if self._node.rounds_at_once > 1 else len(self._results)
            return [self._results.get(index) for index in range(count)]
        left_out = self._failed if self._node.error_mode == REMOVE_ABNORMAL_OUTPUT else set()
        results = [self._results.get(index) for index in range(len(self._items)) if index not in left_out]
        return _flattened(results) if self._node.flatten_output else results


def _flattened(results: list[Any]) -> list[Any]:
    """Lists are joined if every result that is not null is one (and at least one is); else nothing changes."""
    lists = [result for result in results if result is not None]
    if not lists or not all(isinstance(result, list) for result in lists):
        return results
    return [item for result in lists for item in result]


def _not_a_list(value: Any, selector: Selector) -> str:
    kind = type_of(value)
    return (
        f"invalid iterator value: value_type=<SegmentType.{kind.upper()}: '{kind}'> value={value!r} id='' "
        f"name='{selector[-1]}' description='' selector={list(selector)!r}, please provide a list."
    )


NODE = IterationNode
