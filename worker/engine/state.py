"""What a run in progress consists of: frames, the nodes on their way in them, open containers, counters.

A frame is one pass over a graph, or over the inside of a container, with its own node states (nodes.md section 4.1).
"""

from __future__ import annotations

from dataclasses import dataclass, field

from worker.engine.containers import ContainerNode, RoundOutcome, Rounds
from worker.engine.errors import NodeError
from worker.engine.events import ROOT, AgentLog, NodeStarted, NodeStatus, Scope
from worker.engine.graph import GraphNode
from worker.engine.node import NodeResult
from worker.engine.pausing import AskedForm, FormRequest, HeldForm
from worker.engine.ports import Clock
from worker.engine.record import NodeRecord
from worker.engine.scheduler import Schedule
from worker.engine.spending import NOTHING_SPENT, Spending
from worker.engine.variables import VariablePool


@dataclass(slots=True, eq=False)
class Frame:
    pool: VariablePool
    schedule: Schedule
    scope: Scope = ROOT
    #: The container that the frame is a round of; None for the root.
    container: OpenContainer | None = None
    #: 0-based round.
    index: int = 0
    #: Monotonic seconds.
    started: float = 0.0
    #: Nodes that are ready or on their way; the frame is done at 0. It begins with its root.
    pending: int = 1
    #: By the nodes that ended.
    spending: Spending = NOTHING_SPENT
    #: By the failed attempts at nodes that have not ended, by execution id.
    retried: dict[str, Spending] = field(default_factory=dict)
    node_types: set[str] = field(default_factory=set)
    #: It ended: whatever its nodes still bring is dropped.
    is_over: bool = False
    is_root: bool = field(init=False)

    def __post_init__(self) -> None:
        self.is_root = self.container is None

    @property
    def is_dead(self) -> bool:
        """It, or a frame around it, is over."""
        return self.is_over or (self.container is not None and self.container.frame.is_dead)

    def outcome(self, error: NodeError | None, monotonic: float) -> RoundOutcome:
        spending, types = sum(self.retried.values(), self.spending), frozenset(self.node_types)
        return RoundOutcome(self.index, self.pool, error, spending, monotonic - self.started, types)


@dataclass(slots=True, eq=False)
class Task:
    """A node that was started; it may be waiting for a retry."""

    node: GraphNode
    frame: Frame
    execution_id: str
    index: int
    predecessor_id: str | None
    #: Epoch seconds, for the events.
    created_at: float
    #: Monotonic seconds, for the duration.
    started: float
    #: Attempts started.
    attempts: int = 0
    #: By the attempts that ended.
    spending: Spending = NOTHING_SPENT

    def started_event(self) -> NodeStarted:
        spec = self.node.spec
        return NodeStarted(
            self.execution_id, spec.id, spec.type, spec.title, self.index, self.predecessor_id, self.created_at, self.frame.scope
        )

    def asked(self, request: FormRequest) -> AskedForm:
        return AskedForm(self.execution_id, self.node.id, self.node.spec.title, request)

    def record(self, status: NodeStatus, result: NodeResult, error: str | None, clock: Clock) -> NodeRecord:
        """The record of how it ended, or of a failed attempt: ``result`` as it is to be kept, secrets masked."""
        spec, spending = self.node.spec, self.spending
        return NodeRecord(
            self.execution_id,
            spec.id,
            spec.type,
            spec.title,
            self.index,
            self.predecessor_id,
            status,
            result.inputs,
            result.process_data,
            result.outputs,
            error,
            result.handle,
            self.attempts,
            clock.monotonic() - self.started,
            self.created_at,
            clock.now(),
            spending.total_tokens,
            spending.total_price,
            spending.currency,
            self.frame.scope,
            result.metadata,
            result.writes,
        )


@dataclass(frozen=True, slots=True, eq=False)
class OpenContainer:
    """A container whose rounds are running."""

    task: Task
    node: ContainerNode
    rounds: Rounds

    @property
    def frame(self) -> Frame:
        """The frame that the container node itself stands in."""
        return self.task.frame

    def scope(self, index: int) -> Scope:
        """Scope of one round: it names the innermost container only, its path all of them."""
        path = (*self.frame.scope.path, (self.task.node.id, index))
        if self.node.scope_kind == "iteration":
            return Scope(iteration_id=self.task.node.id, iteration_index=index, path=path)
        return Scope(loop_id=self.task.node.id, loop_index=index, path=path)


#: What becomes of an attempt at a node: it ended, failed, needs a person, or still waits for the one that it needed.
Outcome = NodeResult | NodeError | FormRequest | HeldForm


@dataclass(frozen=True, slots=True)
class Done:
    """Mail: a node ended."""

    task: Task
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class Logged:
    """Mail: a step of the agent that the task's node is."""

    task: Task
    log: AgentLog


@dataclass(frozen=True, slots=True)
class Thought:
    """Mail: a piece of what the model of the task's node thinks."""

    task: Task
    text: str
    is_final: bool


@dataclass(frozen=True, slots=True)
class Chunk:
    """Mail: a piece of a streamed output."""

    task: Task
    key: str
    text: str
    is_final: bool


@dataclass(slots=True)
class Counters:
    """What a run counts (nodes.md section 4.5)."""

    #: ``node_started`` events of all frames.
    steps: int = 0
    #: Attempts started in the root frame.
    total_steps: int = 0
    #: By every attempt that was told, in all frames: a container that is cut off has been paid for as far as it went.
    spending: Spending = NOTHING_SPENT
    #: Failed attempts of the root frame.
    exceptions: int = 0
    #: Last index given to a node.
    index: int = 0
