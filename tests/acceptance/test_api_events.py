"""Events and streams of `api-examples.json`: shapes, bytes and order."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import miniaudio
import pytest

from tests.acceptance.examples import EXAMPLES, USER, Scene, cases, find_case, read_events
from tests.acceptance.shapes import mismatches
from tests.services.client import RUN

#: Events that no node of this version leads to, or that are defined and never sent.
UNSENT_EVENTS = {
    "text_replace",
    "reasoning_chunk",
    "agent_log",
    "error",
}

#: Streams that no app of this version produces, and those that tests below check.
UNSENT_STREAMS = {"error_only"}
SENT_STREAMS = {"framing", "pause", "simple_success", "stopped", "node_failure", "handled_failure", "iteration", "tts_autoplay"}


@pytest.fixture(scope="module")
def streamed(scene: Scene) -> list[dict[str, Any]]:
    """Events of runs that succeed, fail, handle a failure, retry, repeat, and ask people."""
    events = []
    for app in ("hello", "fails", "handles", "retried", "contains", "speaks"):
        with scene.client(app) as client:
            events += client.stream({"query": "hello"})
    return events + answered(scene) + unanswered(scene)


def answered(scene: Scene) -> list[dict[str, Any]]:
    """Events of a run that pauses, and goes on when somebody has answered."""
    with scene.client("asks") as client:
        paused = client.run({"query": "hello"})
        client.answer(paused["data"]["reasons"][0]["form_token"], "approve", {"feedback": "ok"}).raise_for_status()
        with client.events(paused["workflow_run_id"], include_state_snapshot="true") as events:
            return list(events)


def unanswered(scene: Scene) -> list[dict[str, Any]]:
    with scene.client("late") as client:
        run_id = client.run({"query": "hello"})["workflow_run_id"]
        with client.events(run_id, include_state_snapshot="true", continue_on_pause="true") as events:
            return list(events)


@pytest.mark.parametrize("case", cases("events", without=UNSENT_EVENTS))
def test_event_has_the_shape(streamed, case):
    found = [event for event in streamed if event["event"] == case["name"]]

    assert found
    assert not [problem for event in found for problem in mismatches(case["shape"], event)]


def test_frames_are_what_clients_parse(scene):
    rules = find_case("streams", "framing")
    tricky = "a\u0085b\u2028c\u2029d\r\ne 世界"

    with scene.client() as client:
        answer = client.http.post(RUN, json={"inputs": {"query": tricky}, "user": USER, "response_mode": "streaming"})

    frames = re.findall(r".*?\n\n", answer.content.decode(), re.DOTALL)
    assert "".join(frames) == answer.content.decode()
    assert all(re.fullmatch(rules["data_frame_regex"], frame) for frame in frames)
    assert not re.search("[\u0085\u2028\u2029]", answer.content.decode())
    assert list(read_events(answer.text))[-1]["data"]["outputs"] == {"text": tricky}


def test_stream_is_neither_compressed_nor_announced_with_a_length(scene):
    with scene.client() as client:
        body = {"inputs": {"query": "x"}, "user": USER, "response_mode": "streaming"}
        answer = client.http.post(RUN, json=body, headers={"Accept-Encoding": "gzip, br"})

    assert "content-encoding" not in answer.headers
    assert "content-length" not in answer.headers
    assert answer.headers["x-version"]


def test_ping_comes_after_ten_seconds_without_a_data_line(scene):
    """The interval is the contract's; only the first ping is waited for."""
    rules = find_case("streams", "framing")

    with waiting_stream(scene, "ping") as chunks:
        frames = list(read_until_ping(chunks))
        scene.counting.release("ping")

    assert frames[-1] == rules["ping_frame"].encode()
    assert all(frame.startswith(b"data: ") for frame in frames[:-1])


@contextmanager
def waiting_stream(scene: Scene, name: str) -> Iterator[Iterator[bytes]]:
    """Bytes of a stream whose run waits until ``name`` is released."""
    body = {"inputs": {"query": name}, "user": USER, "response_mode": "streaming"}
    with scene.client("waits") as client, client.http.stream("POST", RUN, json=body) as answer:
        yield answer.iter_raw()


def read_until_ping(chunks: Iterator[bytes]) -> Iterator[bytes]:
    body = b""
    for chunk in chunks:
        body += chunk
        while b"\n\n" in body:
            frame, body = body.split(b"\n\n", 1)
            yield frame + b"\n\n"
            if frame == b"event: ping":
                return


def test_stream_of_a_success_follows_the_sequence(scene):
    with scene.client() as client:
        events = client.stream({"query": "hello"})

    names = [event["event"] for event in events]
    assert (names[0], names[-1]) == ("workflow_started", "workflow_finished")
    # Between them neither of the two again.
    assert set(names[1:-1]) <= {"node_started", "node_finished", "node_retry", "text_chunk"}
    assert len({(event["task_id"], event["workflow_run_id"]) for event in events}) == 1
    assert events[-1]["data"]["id"] == events[0]["workflow_run_id"]
    indexes = [event["data"]["index"] for event in events if event["event"] == "node_started"]
    assert indexes == sorted(set(indexes))
    assert indexes[0] == 1


def test_stream_of_a_stopped_run_ends_with_it(scene):
    with scene.client("waits") as client, client.open({"query": "stopped"}) as events:
        first = next(events)
        scene.counting.wait_until_called("stopped")
        client.stop(first["task_id"])
        last = list(events)[-1]
        record = client.detail(first["workflow_run_id"])

    assert (last["event"], last["data"]["status"], last["data"]["error"]) == ("workflow_finished", "stopped", "Stopped by user.")
    assert record["status"] == "stopped"


def test_stream_of_a_failed_node_ends_with_its_error(scene):
    with scene.client("fails") as client:
        events = client.stream({"query": "hello"})

    failed = [event for event in events if event["event"] == "node_finished"][-1]["data"]
    assert failed["status"] == "failed"
    assert (events[-1]["data"]["status"], events[-1]["data"]["error"]) == ("failed", failed["error"])
    assert failed["error"]


def test_stream_of_a_handled_failure_ends_partly_succeeded(scene):
    with scene.client("handles") as client:
        events = client.stream({"query": "hello"})

    assert "exception" in [event["data"]["status"] for event in events if event["event"] == "node_finished"]
    assert events[-1]["data"]["status"] == "partial-succeeded"
    assert events[-1]["data"]["exceptions_count"] >= 1


def test_stream_of_an_iteration_frames_its_rounds(scene):
    with scene.client("contains") as client:
        events = client.stream({"query": "hello"})

    of_each = [event for event in events if event["data"].get("node_id") == "each" or event["data"].get("iteration_id") == "each"]
    names = [event["event"] for event in of_each]
    one_round = ["iteration_next", "node_started", "node_finished"]
    assert names == ["iteration_started", *one_round, *one_round, "iteration_completed"]
    assert not [event for event in events if event["event"].startswith("node_") and event["data"]["node_type"] in ("iteration", "loop")]
    assert events[-1]["data"]["outputs"] == {"items": ["a", "b"]}


def test_stream_of_an_app_that_speaks_ends_with_its_speech(scene):
    text = "First sentence. Second sentence. And the rest"
    with scene.client("speaks") as client:
        events = client.stream({"query": text})
        answer = client.run({"query": text})

    assert [event["event"] for event in events if event["event"].startswith("workflow_") or event["event"] == "tts_message_end"] == [
        "workflow_started",
        "workflow_finished",
        "tts_message_end",
    ]
    speech = [event for event in events if event["event"].startswith("tts_")]
    assert {event["message_id"] for event in speech} == {events[0]["workflow_run_id"]}
    pieces = [base64.b64decode(event["audio"], validate=True) for event in speech[:-1]]
    whole = miniaudio.decode(b"".join(pieces), sample_rate=24_000)
    assert whole.num_frames == sum(miniaudio.decode(piece, sample_rate=24_000).num_frames for piece in pieces)
    # The scripted voice takes 8 frames of 24 ms for each of the seven words.
    assert whole.duration == pytest.approx(7 * 8 * 0.024)
    assert answer["data"]["status"] == "succeeded"


def test_stream_of_a_run_that_asks_ends_with_the_pause(scene):
    with scene.client("asks") as client:
        events = client.stream({"query": "hello"})

    assert [event["event"] for event in events][-2:] == ["human_input_required", "workflow_paused"]


def test_every_event_and_stream_is_either_checked_or_listed_as_missing():
    assert {case["name"] for case in EXAMPLES["events"]} >= UNSENT_EVENTS
    assert {case["name"] for case in EXAMPLES["streams"]} == SENT_STREAMS | UNSENT_STREAMS
