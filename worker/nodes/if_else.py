"""if-else: takes the exit of the first case that is true, else the exit ``false`` (nodes.md section 6.8)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from worker.engine.conditions import Condition, Logic, Verdict, evaluate
from worker.engine.errors import NodeError, Partial, VariableError
from worker.engine.node import NodeContext, NodeResult, NodeSpec
from worker.engine.variables import VariablePool
from worker.nodes.condition_fields import read_conditions, read_logic
from worker.nodes.fields import Fields

ELSE = "false"


@dataclass(frozen=True, slots=True)
class Case:
    id: str
    logic: Logic
    conditions: list[Condition]
    #: How ``process_data`` tells of the case itself.
    group: Mapping[str, Any]

    @classmethod
    def of(cls, fields: Fields) -> Case:
        case_id, logic, conditions = fields.required_text("case_id"), read_logic(fields), read_conditions(fields)
        told = [condition.document for condition in conditions]
        return cls(case_id, logic, conditions, {"case_id": case_id, "logical_operator": logic, "conditions": told})

    def result(self, verdict: Verdict) -> dict[str, Any]:
        """How ``process_data`` tells what became of the case."""
        return {"group": self.group, "results": verdict.results, "final_result": verdict.result}


class IfElseNode:
    is_pure: ClassVar[bool] = True
    is_branch: ClassVar[bool] = True

    def __init__(self, spec: NodeSpec) -> None:
        fields = Fields.of(spec)
        self._cases = [Case.of(case) for case in fields.items("cases")]
        fields.check()

    def run(self, pool: VariablePool, context: NodeContext) -> NodeResult:
        told: list[dict[str, Any]] = []
        try:
            chosen, inputs = self._choose(pool, told)
        except VariableError as error:
            # The reference server shows no class name for these failures.
            partial = Partial(inputs={"conditions": []}, process_data={"condition_results": told})
            raise NodeError(error.message, error_type="", partial=partial) from error
        return NodeResult(
            outputs={"result": chosen is not None, "selected_case_id": chosen.id if chosen else ELSE},
            inputs={"conditions": inputs},
            process_data={"condition_results": told},
            handle=chosen.id if chosen else ELSE,
        )

    def _choose(self, pool: VariablePool, told: list[dict[str, Any]]) -> tuple[Case | None, list[dict[str, Any]]]:
        """The first case that is true, and what the last one looked at was given; each case looked at is added to ``told``."""
        inputs: list[dict[str, Any]] = []
        for case in self._cases:
            verdict = evaluate(case.conditions, case.logic, pool)
            told.append(case.result(verdict))
            inputs = verdict.inputs
            if verdict.result:
                return case, inputs
        return None, inputs


NODE = IfElseNode
