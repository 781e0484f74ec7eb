"""What has to hold of every run, whatever happened while it ran."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tests.faults.harness.following import Followed
from tests.faults.harness.kinds import Kind

Event = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Problem:
    """A broken promise. ``what``: ``lost``, ``twice``, ``missing`` or ``wrong``."""

    what: str
    text: str


def problems(followed: Followed, kind: Kind) -> Iterator[Problem]:
    """What a client has to complain about: it gets the right outputs, and every event once and in order."""
    result = followed.result
    if result.get("status") != "succeeded":
        yield Problem("wrong", f"ended {result.get('status')}: {result.get('error') or result.get('message')}")
    elif result["outputs"] != kind.outputs(followed.query, followed.run_id):
        yield Problem("wrong", f"has the outputs {result['outputs']}")
    if followed.answer is None:
        yield from stream_problems(followed, kind)


def stream_problems(followed: Followed, kind: Kind) -> Iterator[Problem]:
    events = [message.json for message in followed.messages]
    numbers = [message.last_event_id for message in followed.messages]
    if numbers != [str(number) for number in range(1, len(numbers) + 1)]:
        yield Problem("twice" if len(set(numbers)) < len(numbers) else "missing", f"has the event ids {','.join(numbers)}")
    if (events[0]["event"], events[-1]["event"]) != ("workflow_started", "workflow_finished"):
        yield Problem("wrong", f"begins with {events[0]['event']} and ends with {events[-1]['event']}")
    told = Counter((event["event"], event["data"]["node_id"]) for event in events if event["event"].startswith(("node_", "iteration_")))
    due = node_events(kind)
    if twice := told - due:
        yield Problem("twice", f"tells too often: {dict(twice)}")
    if missing := due - told:
        yield Problem("missing", f"never tells: {dict(missing)}")
    if kind.spoken is not None and spoken(events) != followed.result["outputs"].get(kind.spoken):
        yield Problem("wrong", f"says {spoken(events)!r}")


def node_events(kind: Kind) -> Counter[tuple[str, str]]:
    """``(event, node id)`` of a whole run."""
    due: Counter[tuple[str, str]] = Counter()
    for node_id, times in kind.executions.items():
        due.update({("node_started", node_id): times, ("node_finished", node_id): times})
    for node_id, rounds in kind.rounds.items():
        due.update({("iteration_started", node_id): 1, ("iteration_next", node_id): rounds, ("iteration_completed", node_id): 1})
    return due


def spoken(events: list[Event]) -> str:
    return "".join(event["data"]["text"] for event in events if event["event"] == "text_chunk")


@dataclass(frozen=True, slots=True)
class Calls:
    """What all runs did to the outside, by ``<run id>:<name>``: how often, and under which idempotency keys."""

    counts: Mapping[str, int]
    keys: Mapping[str, Collection[str]]


@dataclass(frozen=True, slots=True)
class Effects:
    """What a run did to the outside, by the names of its kind."""

    counts: Mapping[str, int]
    #: The idempotency keys that each was called with.
    keys: Mapping[str, Collection[str]]

    @classmethod
    def of(cls, run_id: str, kind: Kind, calls: Calls) -> Effects:
        names = {name: f"{run_id}:{name}" for name in kind.effects}
        counts = {name: calls.counts.get(counted, 0) for name, counted in names.items()}
        return cls(counts, {name: calls.keys.get(counted, ()) for name, counted in names.items()})

    @property
    def repeated(self) -> int:
        return sum(count - 1 for count in self.counts.values() if count)

    def problems(self, kind: Kind, attempts: int) -> Iterator[Problem]:
        """Each happened, and only those again that were in flight when an attempt ended (design.md invariant 3)."""
        if missing := [name for name, count in self.counts.items() if not count]:
            yield Problem("wrong", f"lacks the effects {missing}")
        if self.repeated > (attempts - 1) * kind.lanes:
            yield Problem("twice", f"repeated effects in {attempts} attempts: {dict(self.counts)}")
        if unlike := {name: keys for name, keys in self.keys.items() if len(keys) > 1}:
            yield Problem("wrong", f"repeated effects under other idempotency keys: {unlike}")
