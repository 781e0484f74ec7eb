"""What one attempt at a run begins with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from worker.engine.record import NodeRecord
from worker.engine.spending import NOTHING_SPENT, Spending
from worker.engine.workflow import ConversationVariable


@dataclass(frozen=True, slots=True)
class RunStart:
    """The facts of a run, the same for every attempt."""

    run_id: str
    app_id: str
    #: Values of the start form, prepared (form.py), in the form's order.
    inputs: Mapping[str, Any]
    #: ``sys.*`` values by name without the prefix, in the order in which the start node lists them (nodes.md section 3.4).
    system: Mapping[str, Any]
    #: Environment variables by name; secret ones are ``Secret``.
    environment: Mapping[str, Any]
    #: Epoch seconds of acceptance, for the events.
    created_at: float
    #: Epoch seconds of the first claim: elapsed time and the time limit count from here, over all attempts.
    started_at: float
    #: Id of the trigger that fired; None: the run begins at the start node.
    trigger_id: str | None = None
    #: Variables of the conversation with their present values; a workflow app has none.
    conversation: Sequence[ConversationVariable] = ()

    @property
    def shown_inputs(self) -> dict[str, Any]:
        """Inputs of ``workflow_started``: without the time, which the reference server adds later."""
        system = {f"sys.{name}": value for name, value in self.system.items() if name != "timestamp"}
        return {**self.inputs, **system}


@dataclass(frozen=True, slots=True)
class Tried:
    """Attempts at a node that failed and were told, by a worker that did not live to see the node's end."""

    attempts: int = 0
    #: By all of them.
    spending: Spending = NOTHING_SPENT


NOT_TRIED = Tried()


@dataclass(frozen=True, slots=True)
class Resume:
    """What earlier attempts left behind; empty for the first one."""

    #: In the order in which the nodes ended.
    records: Sequence[NodeRecord] = ()
    #: Nodes whose ``node_started`` is in the log: execution id -> (index, created_at).
    started: Mapping[str, tuple[int, float]] = field(default_factory=dict)
    #: Nodes whose ``node_retry`` is in the log, by execution id: they go on with the attempt after the last of these.
    tried: Mapping[str, Tried] = field(default_factory=dict)
