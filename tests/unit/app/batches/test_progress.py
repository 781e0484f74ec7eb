from __future__ import annotations

import json
from contextlib import ExitStack
from typing import Any

from app.batches.progress import Progress, progress_chunks
from app.errors import APIError
from app.stream.sse import PING, StreamBody

STILL = 0.0


def looks(*found: Any):
    """Answers one after the other, the last of which ends the batch."""
    left = list(found)

    def look():
        item = left.pop(0)
        if isinstance(item, Exception):
            raise item
        return item, {"n": item}, not left

    return look


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        self.now += 3.0
        return self.now


def test_what_has_not_changed_is_not_told_again():
    progress = Progress(looks(1, 1, 2, 2, 3), 1000.0, look_s=STILL)

    assert list(progress) == [({"n": 1}, False), ({"n": 2}, False), ({"n": 3}, True)]


def test_the_end_is_told_even_if_nothing_else_has_changed():
    assert list(Progress(looks(1), 1000.0, look_s=STILL)) == [({"n": 1}, True)]


def test_a_keep_alive_is_due_while_nothing_changes():
    told = list(Progress(looks(*[1] * 9, 2), 10.0, Clock(), STILL))

    assert told[0] == ({"n": 1}, False)
    assert told[-1] == ({"n": 2}, True)
    assert set(map(str, told[1:-1])) == {"None"}


def test_a_progress_that_is_released_ends_although_the_batch_goes_on():
    progress = Progress(looks(1, 2, 3), 1000.0, look_s=3600.0)
    told = iter(progress)
    next(told)
    progress.release()

    assert list(told) == []


def test_the_end_is_an_event_of_its_own_and_a_keep_alive_none():
    chunks = list(progress_chunks(Progress(looks(*[1] * 4, 2), 10.0, Clock(), STILL)))

    assert chunks[0] == b""
    assert {chunk for chunk in chunks[2:-1]} == {PING}
    assert [json.loads(chunk.removeprefix(b"data: "))["event"] for chunk in (chunks[1], chunks[-1])] == ["batch_progress", "batch_finished"]


def test_a_failure_is_the_last_event_and_everything_is_closed():
    closed = []
    resources = ExitStack()
    resources.callback(closed.append, True)
    stream = StreamBody(progress_chunks(Progress(looks(1, APIError("not_found", "Batch not found.")), 1000.0, look_s=STILL)), resources)

    frames = [json.loads(frame.removeprefix(b"data: ")) for frame in stream if frame]
    stream.close()

    assert [frame["event"] for frame in frames] == ["batch_progress", "error"]
    assert (frames[1]["code"], frames[1]["status"]) == ("not_found", 404)
    assert closed == [True]
