"""What the fault suite goes by: it sees an event that is missing, one that came twice, a wrong end, and effects that should not be."""

from __future__ import annotations

import json
from collections.abc import Sequence

import pytest

from tests.faults.harness import kinds, verdict
from tests.faults.harness.following import Followed
from tests.faults.harness.verdict import Calls, Effects, Problem
from tests.services.sse import Message

KIND = kinds.gated("kind", "http://counting", ["first", "second"])

RUN = "run-1"


def event(name: str, **data: object) -> str:
    return json.dumps({"event": name, "data": data})


WHOLE = (
    event("workflow_started"),
    *(event(name, node_id=node) for node in ("start", "first", "second", "end") for name in ("node_started", "node_finished")),
    event("workflow_finished", status="succeeded", outputs={"last": "q:second"}),
)


def problems(frames: Sequence[str], numbers: Sequence[int] | None = None) -> list[str]:
    """What is wrong with a stream of these frames: one word each."""
    followed = Followed("q", "user", run_id=RUN)
    followed.messages = [Message("message", frame, str(n)) for frame, n in zip(frames, numbers or range(1, len(frames) + 1), strict=True)]
    return [problem.what for problem in verdict.problems(followed, KIND)]


def test_a_whole_stream_is_right():
    assert problems(WHOLE) == []


@pytest.mark.parametrize("lost", range(1, len(WHOLE) - 1))
def test_an_event_that_is_lost_is_missed(lost):
    assert problems([*WHOLE[:lost], *WHOLE[lost + 1 :]]) == ["missing"]


@pytest.mark.parametrize("again", range(1, len(WHOLE) - 1))
def test_an_event_that_comes_twice_is_noticed(again):
    assert problems([*WHOLE[: again + 1], *WHOLE[again:]]) == ["twice"]


def test_ids_must_rise_by_one():
    assert problems(WHOLE, [1, 2, 2, *range(4, 11)]) == ["twice"]
    assert problems(WHOLE, [1, 2, *range(4, 12)]) == ["missing"]


def test_a_stream_without_its_beginning_is_wrong():
    assert problems(WHOLE[1:]) == ["wrong"]


@pytest.mark.parametrize(
    "ending",
    [
        event("workflow_finished", status="succeeded", outputs={"last": "another"}),
        event("workflow_finished", status="failed", outputs={}, error="lost"),
    ],
)
def test_another_end_is_wrong(ending):
    assert problems([*WHOLE[:-1], ending]) == ["wrong"]


def effects(counts: dict[str, int], attempts: int = 1, **keys: set[str]) -> list[Problem]:
    kind = kinds.http("http://counting")
    whole = {name: 1 for name in kind.effects} | counts
    calls = Calls({f"{RUN}:{name}": count for name, count in whole.items()}, {f"{RUN}:{name}": given for name, given in keys.items()})
    return list(Effects.of(RUN, kind, calls).problems(kind, attempts))


def test_each_effect_happens_once_and_one_more_for_each_lost_attempt():
    assert effects({}) == []
    assert [problem.what for problem in effects({"second": 2})] == ["twice"]
    assert effects({"second": 2}, attempts=2) == []
    assert [problem.what for problem in effects({"second": 2, "third": 2}, attempts=2)] == ["twice"]
    assert [problem.what for problem in effects({"first": 0})] == ["wrong"]


def test_an_effect_keeps_its_idempotency_key():
    assert effects({"second": 2}, attempts=2, second={"one"}) == []
    assert [problem.what for problem in effects({"second": 2}, attempts=2, second={"one", "other"})] == ["wrong"]
