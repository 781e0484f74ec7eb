"""What a run that goes on from another one takes over: results of nodes that are the same in both workflows.

A run that has ended stays as it ended. Going on means a new run, which begins with the results of the old one and executes the rest:
what failed, what never ran, and, in another version of the workflow, what was changed and everything behind it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Set
from dataclasses import dataclass, replace
from typing import Any

from worker.engine.events import NodeStatus
from worker.engine.graph_document import START_TYPE, TRIGGER_TYPES
from worker.engine.identity import execution_id
from worker.engine.node import NodeSpec
from worker.engine.normalise import ITERATION_DEFAULTS
from worker.engine.record import NodeRecord
from worker.engine.references import references
from worker.engine.variables import ENV
from worker.engine.workflow import EnvironmentVariable, Workflow

#: Types of the nodes that runs begin at: they show the system variables of their run.
ENTRY_TYPES = TRIGGER_TYPES | {START_TYPE}

#: Parts of a node's data that only the editor looks at, beside those whose names begin with ``_``.
EDITOR_KEYS = frozenset({"title", "desc", "selected", "width", "height", "isInIteration", "isInLoop"})

#: How an iteration takes the failure of a round, and the way that ends it.
MODE = "error_handle_mode"
ENDS_WITH_ROUND = ITERATION_DEFAULTS[MODE]


@dataclass(frozen=True, slots=True)
class Carrying:
    """Which results of a run over one workflow count in a run over another one, or over the same."""

    #: Nodes that would do again what they did.
    unchanged: Set[str]
    #: Containers that go on when a node inside them fails.
    lenient: Set[str]

    @classmethod
    def between(cls, old: Workflow, new: Workflow) -> Carrying:
        return cls(unchanged_nodes(old, new), {node.id for node in old.nodes if _is_lenient(node)})

    def carry(self, records: Iterable[NodeRecord], run_id: str, system: Mapping[str, Any]) -> Iterator[NodeRecord]:
        """The records that the run ``run_id`` begins with, in the order of those of the old one, which are read as they are needed.

        ``system``: the new run's system variables, by names with ``sys.``.
        """
        return (_renewed(record, run_id, system) for record in records if self._counts(record))

    def _counts(self, record: NodeRecord) -> bool:
        """A failure counts where a container lives with it: there is a result that was made of it."""
        is_settled = record.status is not NodeStatus.FAILED or any(container in self.lenient for container, _ in record.scope.path)
        return is_settled and record.node_id in self.unchanged


def _renewed(record: NodeRecord, run_id: str, system: Mapping[str, Any]) -> NodeRecord:
    renewed = replace(record, execution_id=execution_id(run_id, record.scope, record.node_id))
    if record.node_type not in ENTRY_TYPES:
        return renewed
    return replace(renewed, inputs={**record.inputs, **system}, outputs={**record.outputs, **system})


def _is_lenient(node: NodeSpec) -> bool:
    """An iteration may skip failed rounds; a container whose own failure is handled keeps what led to it. Loops have no such mode."""
    skips = node.type == "iteration" and node.data.get(MODE, ENDS_WITH_ROUND) != ENDS_WITH_ROUND
    return skips or bool(node.data.get("error_strategy"))


def unchanged_nodes(old: Workflow, new: Workflow) -> set[str]:
    """Ids of the nodes of ``new`` that would do again what they did in ``old``: they, what leads to them, and what they hold are the same.

    A container stands or falls with everything inside it, at any depth.
    """
    before = _facts(old)
    changed = {node_id for node_id, facts in _facts(new).items() if before.get(node_id) != facts}
    fresh = changed
    while fresh:
        fresh = _affected(new, fresh) - changed
        changed = changed | fresh
    return {node.id for node in new.nodes} - changed


def _facts(workflow: Workflow) -> Mapping[str, object]:
    """By node: what it is, how it is reached, what it holds, and the environment variables that it uses."""
    ways, held = defaultdict(set), defaultdict(set)
    for edge in workflow.edges:
        ways[edge.target].add(edge)
    for node in workflow.nodes:
        held[node.container_id].add(node.id)
    environment = {variable.name: variable for variable in workflow.environment}
    return {node.id: (*_own_facts(node), ways[node.id], held[node.id], _constants(node, environment)) for node in workflow.nodes}


def _own_facts(node: NodeSpec) -> tuple[object, ...]:
    data = {key: value for key, value in node.data.items() if key not in EDITOR_KEYS and not key.startswith("_")}
    return node.type, node.version, node.container_id, data


def _constants(node: NodeSpec, environment: Mapping[str, EnvironmentVariable]) -> Mapping[str, EnvironmentVariable | None]:
    names = {selector[1] for _, selector in references(node.data, "") if selector[0] == ENV}
    return {name: environment.get(name) for name in names}


def _affected(workflow: Workflow, changed: Set[str]) -> set[str]:
    """What follows the changed nodes, the containers around them, and what stands in those."""
    behind = {edge.target for edge in workflow.edges if edge.source in changed}
    around = {node.container_id for node in workflow.nodes if node.id in changed and node.container_id is not None}
    inside = {node.id for node in workflow.nodes if node.container_id in changed | around}
    return behind | around | inside
