"""The durable result of one node: the unit of a checkpoint.

A run's checkpoint is the list of its records in the order in which the nodes ended (design.md invariant 3). A new attempt applies
them in that order instead of executing those nodes; everything else (ready set, counters, streaming position) follows from it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import field, replace
from decimal import Decimal
from typing import Any, TypeVar

from worker.engine.events import ROOT, NodeFinished, NodeRetried, NodeStarted, NodeStatus, Scope
from worker.engine.fact import fact
from worker.engine.spending import NOTHING_SPENT, Spending

#: What the event of a handled failure shows; the real text is in ``outputs.error_message`` (nodes.md section 4.6).
HANDLED_TEXT = "Unknown error"

Told = TypeVar("Told", bound=NodeFinished)

#: Types of nodes that hold others.
CONTAINER_TYPES = frozenset({"iteration", "loop"})


@fact
class NodeRecord:
    # Task.record makes it by position.
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
    total_price: Decimal = NOTHING_SPENT.total_price
    #: Empty where no model was asked.
    currency: str = ""
    scope: Scope = ROOT
    metadata: Mapping[str, Any] = field(default_factory=dict)
    #: Variables written besides the node's own outputs (assigner): ``((selector, value), ...)`` in order.
    writes: Sequence[tuple[tuple[str, ...], Any]] = ()

    @property
    def spending(self) -> Spending:
        return Spending.of_sums(self.total_tokens, self.total_price, self.currency)

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
        return self._told(NodeFinished, HANDLED_TEXT if self.status is NodeStatus.EXCEPTION else self.error)

    def retried_event(self) -> NodeRetried:
        return replace(self._told(NodeRetried, self.error), retry_index=self.attempts)

    def _told(self, kind: Callable[..., Told], error: str | None) -> Told:
        return kind(
            self.execution_id,
            self.node_id,
            self.node_type,
            self.title,
            self.index,
            self.predecessor_node_id,
            self.status,
            self.inputs,
            self.process_data,
            self.outputs,
            error,
            self.elapsed_s,
            self.created_at,
            self.finished_at,
            self.scope,
            self.metadata if self.scope is ROOT else {**self.metadata, **self.scope.metadata},
        )
