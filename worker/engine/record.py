"""The durable result of one node: the unit of a checkpoint.

A run's checkpoint is the list of its records in the order in which the nodes ended (design.md invariant 3). A new attempt applies
them in that order instead of executing those nodes; everything else (ready set, counters, streaming position) follows from it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from worker.engine.events import ROOT, NodeFinished, NodeRetried, NodeStarted, NodeStatus, Scope
from worker.engine.spending import Spending

#: What the event of a handled failure shows; the real text is in ``outputs.error_message`` (nodes.md section 4.6).
HANDLED_TEXT = "Unknown error"

#: Types of nodes that hold others.
CONTAINER_TYPES = frozenset({"iteration", "loop"})


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeRecord:
    execution_id: str
    node_id: str
    node_type: str
    title: str
    #: Order of start over the whole run, 1-based.
    index: int
    predecessor_node_id: str | None
    #: ``succeeded``, ``failed`` or ``exception``; ``retry`` only for attempts, which are not kept.
    status: NodeStatus
    inputs: Mapping[str, Any]
    process_data: Mapping[str, Any]
    outputs: Mapping[str, Any]
    error: str | None
    #: The edge handle taken: ``source``, a case id, ``fail-branch`` ...
    handle: str
    #: Attempts started, retries included; adds to ``total_steps`` in the root frame.
    attempts: int
    elapsed_s: float
    created_at: float
    finished_at: float
    #: What all attempts together used and cost; ``metadata`` tells of the last one alone.
    total_tokens: int = 0
    total_price: Decimal = Decimal(0)
    #: Empty where no model was asked.
    currency: str = ""
    scope: Scope = ROOT
    metadata: Mapping[str, Any] = field(default_factory=dict)
    #: Variables written besides the node's own outputs (assigner): ``((selector, value), ...)`` in order.
    writes: Sequence[tuple[tuple[str, ...], Any]] = ()

    @property
    def spending(self) -> Spending:
        return Spending(self.total_tokens, self.total_price, self.currency)

    @property
    def is_container(self) -> bool:
        """What it used is what the nodes inside used, which have records of their own."""
        return self.node_type in CONTAINER_TYPES

    @property
    def failures(self) -> int:
        """Failed attempts, retried ones included: each counts as an exception of the run (nodes.md section 4.5)."""
        return self.attempts - (self.status is NodeStatus.SUCCEEDED)

    def started_event(self) -> NodeStarted:
        return NodeStarted(
            self.execution_id,
            self.node_id,
            self.node_type,
            self.title,
            self.index,
            self.predecessor_node_id,
            self.created_at,
            self.scope,
        )

    def finished_event(self) -> NodeFinished:
        error = HANDLED_TEXT if self.status is NodeStatus.EXCEPTION else self.error
        return NodeFinished(**self._values(), error=error)

    def retried_event(self) -> NodeRetried:
        return NodeRetried(**self._values(), error=self.error, retry_index=self.attempts)

    def _values(self) -> dict[str, Any]:
        return {
            "execution_id": self.execution_id,
            "node_id": self.node_id,
            "node_type": self.node_type,
            "title": self.title,
            "index": self.index,
            "predecessor_node_id": self.predecessor_node_id,
            "status": self.status,
            "inputs": self.inputs,
            "process_data": self.process_data,
            "outputs": self.outputs,
            "elapsed_s": self.elapsed_s,
            "created_at": self.created_at,
            "finished_at": self.finished_at,
            "scope": self.scope,
            "metadata": {**self.metadata, **self.scope.metadata},
        }
