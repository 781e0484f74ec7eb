"""What a node type is: a class with a typed configuration and one ``run``.

A node never sees the scheduler, the store, the bus or another node: it reads the variable pool, reaches the world through
``context.ports`` and returns a ``NodeResult`` or raises ``NodeError``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol

from worker.engine.events import AgentLog, Scope
from worker.engine.fact import fact
from worker.engine.pausing import FormRequest, HeldForm
from worker.engine.ports import Cancellation, Ports
from worker.engine.variables import Selector, VariablePool

#: The exit of a node that does not branch.
SOURCE_HANDLE = "source"
FAIL_BRANCH_HANDLE = "fail-branch"


@dataclass(frozen=True, slots=True)
class NodeSpec:
    """A node of the document after normalisation: what every node type has (dsl.md section 6.1), and its own ``data``."""

    id: str
    type: str
    title: str
    #: ``"1"`` unless the document says otherwise.
    version: str
    data: Mapping[str, Any]
    #: Id of the enclosing iteration or loop.
    container_id: str | None = None
    #: Dotted place in the document, for findings: ``workflow.graph.nodes[3]``.
    path: str = ""


@fact
class NodeResult:
    outputs: Mapping[str, Any] = field(default_factory=dict)
    #: Shown in ``node_finished``; secrets masked.
    inputs: Mapping[str, Any] = field(default_factory=dict)
    process_data: Mapping[str, Any] = field(default_factory=dict)
    #: The exit taken; only branch nodes choose another.
    handle: str = SOURCE_HANDLE
    total_tokens: int = 0
    #: Keys of api-contract.md section 4.5.
    metadata: Mapping[str, Any] = field(default_factory=dict)
    #: Variables written besides the outputs (assigner).
    writes: Sequence[tuple[Selector, Any]] = ()


@fact
class NodeContext:
    run_id: str
    app_id: str
    execution_id: str
    scope: Scope
    ports: Ports
    cancellation: Cancellation
    #: Stream a piece of an output variable: ``stream(key, text, is_final)``.
    stream: Callable[[str, str, bool], None]
    #: Stream a piece of a model's thoughts: ``think(text, is_final)``.
    think: Callable[[str, bool], None] = lambda text, is_final: None
    #: Tell a step of an agent.
    log: Callable[[AgentLog], None] = lambda log: None
    #: Tries of this execution that failed and are made again by its configuration: 0 for the first one, whatever workers were lost in it.
    retry_index: int = 0
    #: The form that this execution asked for, with its answer; None: it has not asked for one yet.
    form: HeldForm | None = None


class Node(Protocol):
    """The contract of a node class; ``worker/nodes/registry.py`` finds classes by (type, version)."""

    #: A pure function of its inputs: runs inline, is computed again rather than checkpointed on its own (design.md invariant 3).
    is_pure: ClassVar[bool]
    #: Chooses a handle: only the edges of the handle it returns are taken.
    is_branch: ClassVar[bool]

    def __init__(self, spec: NodeSpec) -> None:
        """Validate the configuration. Raises ``GraphError`` with every finding, paths included."""

    def run(self, pool: VariablePool, context: NodeContext) -> NodeResult | FormRequest:
        """Do the work. Raises ``NodeError`` on failure.

        A node that needs a person returns what it asks for; it is run again, with ``context.form``, when there is an answer.
        """


class NodeRegistry(Protocol):
    """Node classes by type and version; the engine is handed one, so that it needs no node to be importable."""

    def knows(self, node_type: str) -> bool: ...

    def create(self, spec: NodeSpec) -> Node:
        """The node of a spec. Raises ``GraphError`` for an unknown type or a wrong configuration."""
