"""The one vocabulary of what happens in a run: facts, past tense, in the order they happened.

The engine emits these; ``worker/bus/wire.py`` is the only place that knows their JSON. Times are epoch seconds (float).
Values (`inputs`, `outputs` ...) are those of the variable pool: plain JSON types plus ``File`` (variables.py), already masked
where nodes.md section 2.4 asks for it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import Any

from worker.engine.fact import fact
from worker.engine.spending import Spending


class RunStatus(StrEnum):
    """States of a run; arrows are the only transitions.

    scheduled ──claim──► running ──► succeeded | failed | stopped | partial-succeeded
        ▲ ▲                │  │
        │ └──lease lost────┘  └──forms──► paused
        └──answer, expiry─────────────────┘
    scheduled ──stop──► stopped          paused ──stop──► stopped
    """

    SCHEDULED = "scheduled"
    RUNNING = "running"
    PAUSED = "paused"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    STOPPED = "stopped"
    PARTIAL_SUCCEEDED = "partial-succeeded"

    @property
    def is_final(self) -> bool:
        return self in FINAL_STATUSES


FINAL_STATUSES = frozenset({RunStatus.SUCCEEDED, RunStatus.FAILED, RunStatus.STOPPED, RunStatus.PARTIAL_SUCCEEDED})

#: ``error`` of a stopped run (api-contract.md section 4.7).
STOPPED_TEXT = "Stopped by user."

#: ``reason`` of the ``workflow_started`` that follows a pause.
RESUMPTION = "resumption"


class NodeStatus(StrEnum):
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    #: Failed, and handled by the node's error strategy.
    EXCEPTION = "exception"
    RETRY = "retry"


@dataclass(frozen=True, slots=True)
class Scope:
    """Which pass of which container a node runs in; all None in the root frame (nodes.md section 4.4)."""

    iteration_id: str | None = None
    iteration_index: int | None = None
    loop_id: str | None = None
    loop_index: int | None = None
    #: Position in the nesting of containers: ``()`` for the root, then one ``(container id, pass)`` a level.
    path: tuple[tuple[str, int], ...] = ()

    @property
    def metadata(self) -> dict[str, Any]:
        """Its part of ``execution_metadata`` (api-contract.md section 4.5): only the keys that are known."""
        known: dict[str, Any] = {}
        if self.iteration_id is not None:
            known["iteration_id"] = self.iteration_id
        if self.iteration_index is not None:
            known["iteration_index"] = self.iteration_index
        if self.loop_id is not None:
            known["loop_id"] = self.loop_id
        if self.loop_index is not None:
            known["loop_index"] = self.loop_index
        return known


ROOT = Scope()


@fact
class RunStarted:
    #: User inputs and ``sys.*`` keys, without ``sys.timestamp``.
    inputs: Mapping[str, Any]
    created_at: float
    #: ``initial``, or ``RESUMPTION``.
    reason: str = "initial"


@fact
class NodeStarted:
    #: UUID; the same for every attempt of this node in this scope, and after a crash (nodes.md section 4.4).
    execution_id: str
    node_id: str
    node_type: str
    title: str
    #: 1-based, in order of start over the whole run.
    index: int
    predecessor_node_id: str | None
    created_at: float
    scope: Scope = ROOT
    #: Of a tool its ``icon``.
    extras: Mapping[str, Any] = field(default_factory=dict)
    #: ``name`` and ``icon`` of an agent's strategy.
    agent_strategy: Mapping[str, Any] | None = None


@fact
class NodeFinished:
    execution_id: str
    node_id: str
    node_type: str
    title: str
    index: int
    predecessor_node_id: str | None
    status: NodeStatus
    inputs: Mapping[str, Any]
    process_data: Mapping[str, Any]
    outputs: Mapping[str, Any]
    error: str | None
    elapsed_s: float
    created_at: float
    finished_at: float
    scope: Scope = ROOT
    #: Only the known keys of api-contract.md section 4.5.
    metadata: Mapping[str, Any] = field(default_factory=dict)


@fact
class NodeRetried(NodeFinished):
    """A failed attempt that will be tried again; ``status`` is ``retry``."""

    #: 1 for the first failed attempt.
    retry_index: int = 0

    @property
    def spending(self) -> Spending:
        """Of this attempt alone."""
        return Spending.of(self.metadata.get("total_tokens") or 0, self.metadata)


@fact
class TextChunk:
    text: str
    #: Whole selector that the text came from; ``(end id, "answer")`` for text between values.
    selector: Sequence[str]


@fact
class ReasoningChunk:
    """A piece of a model's thoughts, of an llm node that keeps them apart from its text."""

    node_id: str
    text: str
    is_final: bool = False


@fact
class AgentLog:
    """A step of an agent: told when it starts and again, under the same id, when it has ended."""

    id: str
    label: str
    #: ``start``, ``success`` or ``error``.
    status: str
    data: Mapping[str, Any] = field(default_factory=dict)
    metadata: Mapping[str, Any] = field(default_factory=dict)
    #: The step that this one is part of.
    parent_id: str | None = None
    error: str | None = None


@fact
class AgentLogged:
    execution_id: str
    node_id: str
    log: AgentLog


@fact
class ContainerStarted:
    """``iteration_started`` or ``loop_started``, by ``node_type``; stands in for ``node_started``."""

    node_id: str
    node_type: str
    title: str
    created_at: float
    inputs: Mapping[str, Any]
    #: ``{"iteration_length": n}`` or ``{"loop_length": n}``.
    metadata: Mapping[str, Any]
    scope: Scope = ROOT


@fact
class ContainerNext:
    node_id: str
    node_type: str
    title: str
    created_at: float
    index: int
    scope: Scope = ROOT


@fact
class ContainerCompleted:
    node_id: str
    node_type: str
    title: str
    created_at: float
    finished_at: float
    inputs: Mapping[str, Any]
    outputs: Mapping[str, Any]
    status: NodeStatus
    error: str | None
    elapsed_s: float
    total_tokens: int
    #: iteration: number of items; loop: ``loop_count``, 0 when no round ran.
    steps: int
    metadata: Mapping[str, Any] = field(default_factory=dict)
    scope: Scope = ROOT


@fact
class FormRequired:
    """``human_input_required``: the run waits for a form. Told at each pause again until the form is answered."""

    #: Id of the node execution that asks.
    form_id: str
    node_id: str
    node_title: str
    #: Markdown; places of answers are still ``{{#$output.name#}}``.
    form_content: str
    #: As in api-contract.md section 2.15.
    inputs: Sequence[Mapping[str, Any]]
    actions: Sequence[Mapping[str, Any]]
    display_in_ui: bool
    #: Empty where there is no server to submit it to.
    form_token: str
    resolved_default_values: Mapping[str, str]
    expires_at: float


@fact
class RunPaused:
    """``workflow_paused``: nothing can go on before people have answered. ``RunStarted`` with reason ``resumption`` follows."""

    #: Every form that waits, in the order in which they were asked for.
    reasons: Sequence[FormRequired]
    elapsed_s: float
    total_tokens: int
    total_steps: int
    created_at: float


@fact
class FormFilled:
    """``human_input_form_filled``: comes before the ``NodeFinished`` of the node that asked."""

    node_id: str
    node_title: str
    #: The form with the answers in their places.
    rendered_content: str
    action_id: str
    #: Title of the action.
    action_text: str
    submitted_data: Mapping[str, Any]


@fact
class FormTimedOut:
    """``human_input_form_timeout``: comes before the ``NodeFinished`` of the node that asked."""

    node_id: str
    node_title: str
    expires_at: float


@fact
class RunFinished:
    status: RunStatus
    outputs: Mapping[str, Any]
    error: str | None
    elapsed_s: float
    total_tokens: int
    #: Node attempts started in the root frame (nodes.md section 4.5).
    total_steps: int
    exceptions_count: int
    created_at: float
    finished_at: float
    #: Not told to clients: for the node that a workflow runs in as a tool.
    total_price: Decimal = Decimal(0)
    currency: str = ""

    @property
    def spending(self) -> Spending:
        return Spending(self.total_tokens, self.total_price, self.currency)


Event = (
    RunStarted
    | NodeStarted
    | NodeFinished
    | NodeRetried
    | TextChunk
    | ReasoningChunk
    | AgentLogged
    | ContainerStarted
    | ContainerNext
    | ContainerCompleted
    | FormRequired
    | RunPaused
    | FormFilled
    | FormTimedOut
    | RunFinished
)
