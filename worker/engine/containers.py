"""Iterations and loops, as the engine sees them: a node that asks for rounds.

A container decides, the run acts: when it is opened, and after each round, it answers with moves. It holds no threads and no clock.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol, runtime_checkable

from worker.engine.errors import NodeError
from worker.engine.fact import fact
from worker.engine.node import NodeContext, NodeResult
from worker.engine.spending import NOTHING_SPENT, Spending
from worker.engine.variables import VariablePool


@fact
class Announce:
    """Emit ``iteration_next`` or ``loop_next`` with this index."""

    index: int


@fact
class Round:
    """Run the container's inner graph once, over ``pool``."""

    #: 0-based.
    index: int
    pool: VariablePool


@dataclass(frozen=True, slots=True)
class Finish:
    """The container is done; no round is running any more."""

    outputs: Mapping[str, Any]
    #: Why it failed; its own error strategy then applies.
    error: NodeError | None = None
    #: By all rounds.
    spending: Spending = NOTHING_SPENT
    #: ``steps`` of the completed event.
    steps: int = 0
    #: Keys of api-contract.md section 4.5.
    metadata: Mapping[str, Any] = field(default_factory=dict)


Move = Announce | Round | Finish


@fact
class RoundOutcome:
    """How a round ended."""

    index: int
    pool: VariablePool
    #: The inner failure that nobody handled.
    error: NodeError | None
    spending: Spending
    elapsed_s: float
    #: Types of the nodes that ended in it.
    node_types: frozenset[str]


class Rounds(Protocol):
    """One execution of a container."""

    #: Shown in the started and the completed event.
    inputs: Mapping[str, Any]
    #: ``{"iteration_length": n}`` or ``{"loop_length": n}``.
    metadata: Mapping[str, Any]

    def begin(self) -> Sequence[Move]:
        """The first moves."""

    def after(self, outcome: RoundOutcome) -> Sequence[Move]:
        """A round ended: what now."""


@runtime_checkable
class ContainerNode(Protocol):
    """What a node class offers that holds other nodes."""

    is_branch: ClassVar[bool]
    is_pure: ClassVar[bool]
    #: Child that each round starts at.
    start_node_id: str
    #: Names of the scope that its rounds run in: ``iteration`` or ``loop``.
    scope_kind: ClassVar[str]

    def open(self, pool: VariablePool, context: NodeContext, children: Sequence[str]) -> Rounds | NodeResult:
        """Begin; a result at once when there is nothing to go through, and then no container events.

        ``children`` are the ids of the nodes inside, at any depth. Raises ``NodeError``, then there are no container events either.
        """
