"""What one attempt at a run begins with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from worker.engine.fact import fact
from worker.engine.pausing import HeldForm
from worker.engine.record import NodeRecord
from worker.engine.spending import NOTHING_SPENT, Spending
from worker.engine.workflow import ConversationVariable


@fact
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
    #: Seconds since the first claim, as this attempt begins: elapsed time and the time limit count over all attempts. They come from one
    #: clock, that of the database: this machine's may be wrong.
    elapsed_s: float = 0.0
    #: Those of them in which the run waited for people: the time limit does not count them, elapsed time does.
    paused_s: float = 0.0
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
    #: The node stands in no container.
    is_root: bool = True

    def after(self, spending: Spending, *, is_root: bool) -> Tried:
        """With one more attempt, which spent so much."""
        return Tried(self.attempts + 1, self.spending + spending, is_root)


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
    #: Forms that the run has asked for, by the id of the node execution.
    forms: Mapping[str, HeldForm] = field(default_factory=dict)
    #: Readers were told that the run pauses, and not yet that it goes on.
    ends_pause: bool = False


#: A first attempt.
NOTHING_LEFT = Resume()
