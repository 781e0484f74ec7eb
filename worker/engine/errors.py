"""Everything the engine raises.

EngineError                 code: stable snake_case text, message: safe to show to users
├─ GraphError               the document is wrong; found before a run starts; carries every finding
├─ VariableError            a value is not there or has the wrong type
└─ NodeError                a node failed; ``error_type`` is the class name that fail-branches show
RunStopped, RunDrained      signals, not errors: BaseException, so that no ``except Exception`` eats them
RunFenced                   another worker owns the run; the signal to write nothing more
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from worker.engine.spending import NOTHING_SPENT, Spending


class EngineError(Exception):
    """Base of what the engine raises on purpose."""

    code = "engine_error"

    def __init__(self, message: str, **details: Any) -> None:
        super().__init__(message)
        self.message = message
        self.details = details


#: Characters of a finding's message: it may quote what the document says, whatever that is.
MAX_MESSAGE = 500


def one_line(text: str, most: int = MAX_MESSAGE) -> str:
    """The text without what would break its line, or steer a terminal, and not longer than ``most`` characters."""
    shown = text if text.isprintable() else " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return shown if len(shown) <= most else f"{shown[: most - 3]}..."


def kind_of(value: Any) -> str:
    """How a message names a JSON value of the wrong type."""
    names = {dict: "a mapping", list: "a list", str: "a text", bool: "true or false", int: "a number", float: "a number"}
    return "nothing" if value is None else names.get(type(value), type(value).__name__)


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong, or odd, in a workflow document."""

    #: Stable snake_case text, for example ``unsupported_node_type`` or ``cyclic_graph`` (dsl.md section 6.4).
    code: str
    #: One sentence a user can act on.
    message: str
    #: ``error``: the document cannot run. ``warning``: it can, but something in it has no effect.
    level: str = "error"
    node_id: str | None = None
    node_title: str | None = None
    #: Where in the document, dotted: ``workflow.graph.nodes[3].data.code_language``.
    path: str | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "message", one_line(self.message))

    def __str__(self) -> str:
        where = f"node '{self.node_title or self.node_id}'" if self.node_id else ""
        place = one_line(" at ".join(part for part in (where, self.path or "") if part))
        return f"{self.message} ({place})" if place else self.message


class GraphError(EngineError):
    """The workflow document cannot be turned into a graph."""

    code = "workflow_request_error"

    def __init__(self, findings: Sequence[Finding] | str) -> None:
        found = [Finding("invalid_document", findings)] if isinstance(findings, str) else list(findings)
        super().__init__("; ".join(str(finding) for finding in found))
        self.findings: list[Finding] = found


class VariableError(EngineError):
    """A selector finds nothing, or a value has a type that does not fit."""

    code = "variable_error"


class FormError(EngineError):
    """A run input does not fit the start form (api-contract.md section 3); the API answers 400 ``invalid_param``."""

    code = "invalid_param"


@dataclass(slots=True)
class Partial:
    """What a node already knew when it failed; shown in its ``node_finished`` and ``node_retry`` events."""

    inputs: Mapping[str, Any] = field(default_factory=dict)
    outputs: Mapping[str, Any] = field(default_factory=dict)
    process_data: Mapping[str, Any] = field(default_factory=dict)
    #: What its model calls had used: it counts although the node failed (nodes.md section 4.5).
    total_tokens: int = 0
    #: Keys of api-contract.md section 4.5.
    metadata: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def costing(cls, spending: Spending) -> Partial:
        """Of a failure of which nothing is known but what it cost."""
        return cls(total_tokens=spending.total_tokens, metadata=spending.metadata())

    @property
    def spending(self) -> Spending:
        return Spending.of(self.total_tokens, self.metadata)


class NodeError(EngineError):
    """A node failed. ``str(error)`` is the text users see; ``error_type`` the class name of nodes.md section 4.6."""

    code = "node_error"
    error_type = "NodeError"

    def __init__(self, message: str, *, error_type: str | None = None, partial: Partial | None = None) -> None:
        super().__init__(message)
        if error_type is not None:
            self.error_type = error_type
        self.partial = partial or Partial()

    def tell(self, partial: Partial) -> None:
        """What the node knew; what the call that failed had cost, if the error says so, comes on top."""
        spent = self.partial.spending
        if spent != NOTHING_SPENT:
            total = partial.spending + spent
            partial = replace(partial, total_tokens=total.total_tokens, metadata={**partial.metadata, **total.metadata()})
        self.partial = partial


class RunStopped(BaseException):
    """A stop request reached the run; raised inside nodes by ``Cancellation.check``."""


class RunDrained(BaseException):
    """The worker is shutting down and hands the run over; raised inside nodes by ``Cancellation.check``."""


class RunFenced(BaseException):
    """A later attempt owns the run: this worker must write and publish nothing more for it."""
