"""Frames, key by key, against api-contract.md section 4.4."""

import json
import math
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from worker.bus.wire import Envelope, encode, encode_error
from worker.engine.events import (
    AgentLog,
    AgentLogged,
    ContainerCompleted,
    ContainerNext,
    ContainerStarted,
    Event,
    FormFilled,
    FormRequired,
    FormTimedOut,
    NodeFinished,
    NodeRetried,
    NodeStarted,
    NodeStatus,
    ReasoningChunk,
    RunFinished,
    RunPaused,
    RunStarted,
    RunStatus,
    Scope,
    TextChunk,
)
from worker.engine.variables import File, Secret

ENVELOPE = Envelope("run", "task", "workflow", 7, "end-user", "alice", lambda file: f"https://files/{file.related_id}?sign=x")

NODE = {"execution_id": "exec", "node_id": "n1", "node_type": "code", "title": "CODE", "index": 2, "predecessor_node_id": "start"}

OUTCOME = {
    **NODE,
    "status": NodeStatus.SUCCEEDED,
    "inputs": {"x": 1},
    "process_data": {"request": "GET /"},
    "outputs": {"y": 2},
    "error": None,
    "elapsed_s": 0.25,
    "created_at": 1700000000.9,
    "finished_at": 1700000001.2,
}

CONTAINER = {"node_id": "it", "node_type": "iteration", "title": "IT", "created_at": 1700000000.0}

PARALLEL = ["parallel_id", "parallel_start_node_id", "parent_parallel_id", "parent_parallel_start_node_id", "parallel_run_id"]

UPLOAD = File("document", "local_file", "note.txt", ".txt", "text/plain", 38, related_id="f1", tenant_id="app")

UPLOAD_ON_THE_WIRE = {
    "dify_model_identity": "__dify__file__",
    "id": None,
    "tenant_id": "app",
    "type": "document",
    "transfer_method": "local_file",
    "remote_url": "https://files/f1?sign=x",
    "related_id": "f1",
    "filename": "note.txt",
    "extension": ".txt",
    "mime_type": "text/plain",
    "size": 38,
    "url": "https://files/f1?sign=x",
}


def frame(event: Event) -> dict[str, Any]:
    return json.loads(encode(event, ENVELOPE))


def data(event: Event) -> dict[str, Any]:
    return frame(event)["data"]


def finished(**changes: Any) -> NodeFinished:
    return NodeFinished(**{**OUTCOME, **changes})


def run_finished(**changes: Any) -> RunFinished:
    facts = {
        "status": RunStatus.SUCCEEDED,
        "outputs": {"a": 1},
        "error": None,
        "elapsed_s": 2,
        "total_tokens": 3,
        "total_steps": 4,
        "exceptions_count": 0,
        "created_at": 1700000000.0,
        "finished_at": 1700000002.7,
    }
    return RunFinished(**{**facts, **changes})


def test_every_frame_has_the_envelope_in_its_order() -> None:
    assert list(frame(RunStarted({}, 1.0))) == ["event", "workflow_run_id", "task_id", "data"]
    assert frame(TextChunk("a", ("n", "x"))) == {
        "event": "text_chunk",
        "workflow_run_id": "run",
        "task_id": "task",
        "data": {"text": "a", "from_variable_selector": ["n", "x"]},
    }


def test_workflow_started() -> None:
    assert data(RunStarted({"q": "v", "sys.user_id": "alice"}, 1700000000.9)) == {
        "id": "run",
        "workflow_id": "workflow",
        "sequence_number": 7,
        "inputs": {"q": "v", "sys.user_id": "alice"},
        "created_at": 1700000000,
        "reason": "initial",
    }


def test_node_started() -> None:
    assert data(NodeStarted(**NODE, created_at=1700000000.9, scope=Scope(iteration_id="it", iteration_index=0))) == {
        "id": "exec",
        "node_id": "n1",
        "node_type": "code",
        "title": "CODE",
        "index": 2,
        "predecessor_node_id": "start",
        "inputs": {},
        "inputs_truncated": False,
        "created_at": 1700000000,
        "extras": {},
        "iteration_id": "it",
        "loop_id": None,
        "agent_strategy": None,
        **dict.fromkeys(PARALLEL),
    }


def test_node_started_of_tools_and_agents() -> None:
    icon, strategy = {"icon": {"background": "#252525", "content": "x"}}, {"name": "ReAct", "icon": None}
    told = data(NodeStarted(**NODE, created_at=1.0, extras=icon, agent_strategy=strategy))

    assert (told["extras"], told["agent_strategy"]) == (icon, strategy)


def test_node_finished() -> None:
    event = finished(scope=Scope(loop_id="lp", loop_index=1), metadata={"total_tokens": 5})
    assert frame(event)["event"] == "node_finished"
    assert data(event) == {
        "id": "exec",
        "node_id": "n1",
        "node_type": "code",
        "title": "CODE",
        "index": 2,
        "predecessor_node_id": "start",
        "inputs": {"x": 1},
        "inputs_truncated": False,
        "process_data": {"request": "GET /"},
        "process_data_truncated": False,
        "outputs": {"y": 2},
        "outputs_truncated": False,
        "status": "succeeded",
        "error": None,
        "elapsed_time": 0.25,
        "execution_metadata": {"total_tokens": 5},
        "created_at": 1700000000,
        "finished_at": 1700000001,
        "files": [],
        "iteration_id": None,
        "loop_id": "lp",
        **dict.fromkeys(PARALLEL),
    }


def test_a_node_without_metadata_has_an_empty_object() -> None:
    assert data(finished())["execution_metadata"] == {}


@pytest.mark.parametrize("price", ["0.0000315", 0.0000315])
def test_a_price_is_a_number(price: object) -> None:
    metadata = {"total_tokens": 3, "total_price": price, "currency": "USD"}

    assert data(finished(metadata=metadata))["execution_metadata"] == {**metadata, "total_price": 0.0000315}


def test_a_failed_node_shows_its_error() -> None:
    assert data(finished(status=NodeStatus.FAILED, error="boom"))["error"] == "boom"


def test_node_retry() -> None:
    event = NodeRetried(**{**OUTCOME, "status": NodeStatus.RETRY, "error": "boom", "outputs": {}}, retry_index=2)
    assert frame(event)["event"] == "node_retry"
    assert list(data(event)) == [*data(finished()), "retry_index"]
    assert (data(event)["status"], data(event)["error"], data(event)["retry_index"]) == ("retry", "boom", 2)


def test_reasoning_chunk() -> None:
    event = ReasoningChunk("ask", "hm", is_final=False)

    assert frame(event)["event"] == "reasoning_chunk"
    assert data(event) == {"message_id": None, "reasoning": "hm", "node_id": "ask", "is_final": False}


def test_agent_log() -> None:
    log = AgentLog("step", "ROUND 1", "error", {"output": "x"}, {"elapsed_time": 0.5}, parent_id="above", error="broken")
    event = AgentLogged("execution", "agent", log)

    assert frame(event)["event"] == "agent_log"
    assert data(event) == {
        "node_execution_id": "execution",
        "id": "step",
        "label": "ROUND 1",
        "parent_id": "above",
        "error": "broken",
        "status": "error",
        "data": {"output": "x"},
        "metadata": {"elapsed_time": 0.5},
        "node_id": "agent",
    }


def test_container_events() -> None:
    common = {"id": "it", "node_id": "it", "node_type": "iteration", "title": "IT"}
    started = ContainerStarted(**CONTAINER, inputs={"iterator_selector": ["a"]}, metadata={"iteration_length": 1})
    assert frame(started)["event"] == "iteration_started"
    assert data(started) == {
        **common,
        "created_at": 1700000000,
        "extras": {},
        "metadata": {"iteration_length": 1},
        "inputs": {"iterator_selector": ["a"]},
        "inputs_truncated": False,
    }

    upcoming = ContainerNext(**CONTAINER, index=0)
    assert frame(upcoming)["event"] == "iteration_next"
    assert data(upcoming) == {**common, "index": 0, "created_at": 1700000000, "extras": {}}


def test_loop_next_has_an_empty_pre_loop_output() -> None:
    event = ContainerNext(node_id="lp", node_type="loop", title="LP", created_at=1.0, index=1)
    assert frame(event)["event"] == "loop_next"
    assert data(event)["pre_loop_output"] == {}


def test_container_completed() -> None:
    event = ContainerCompleted(
        **CONTAINER,
        finished_at=1700000003.0,
        inputs={},
        outputs={"output": ["x"]},
        status=NodeStatus.FAILED,
        error="boom",
        elapsed_s=3,
        total_tokens=1,
        steps=2,
        metadata={"iteration_duration_map": {"0": 0.5}},
    )
    assert frame(event)["event"] == "iteration_completed"
    assert data(event) == {
        "id": "it",
        "node_id": "it",
        "node_type": "iteration",
        "title": "IT",
        "outputs": {"output": ["x"]},
        "outputs_truncated": False,
        "created_at": 1700000000,
        "extras": {},
        "inputs": {},
        "inputs_truncated": False,
        "status": "failed",
        "error": "boom",
        "elapsed_time": 3.0,
        "total_tokens": 1,
        "execution_metadata": {"iteration_duration_map": {"0": 0.5}},
        "finished_at": 1700000003,
        "steps": 2,
    }


FORM = FormRequired(
    form_id="f",
    node_id="n",
    node_title="Ask",
    form_content="Hi {{#$output.note#}}",
    inputs=[{"type": "paragraph", "output_variable_name": "note", "default": None}],
    actions=[{"id": "yes", "title": "Yes", "button_style": "default"}],
    display_in_ui=True,
    form_token="t",
    resolved_default_values={"note": "so far"},
    expires_at=99.9,
)


def test_human_input_required() -> None:
    assert data(FORM) == {
        "form_id": "f",
        "node_id": "n",
        "node_title": "Ask",
        "form_content": "Hi {{#$output.note#}}",
        "inputs": [{"type": "paragraph", "output_variable_name": "note", "default": None}],
        "actions": [{"id": "yes", "title": "Yes", "button_style": "default"}],
        "display_in_ui": True,
        "form_token": "t",
        "approval_channels": [],
        "resolved_default_values": {"note": "so far"},
        "expiration_time": 99,
    }
    assert data(replace(FORM, form_token=""))["form_token"] is None


def test_workflow_paused() -> None:
    told = data(RunPaused([FORM, replace(FORM, node_id="m")], elapsed_s=2, total_tokens=3, total_steps=4, created_at=5.7))

    assert told.pop("reasons") == [{"TYPE": "human_input_required", **data(form)} for form in (FORM, replace(FORM, node_id="m"))]
    assert told == {
        "workflow_run_id": "run",
        "paused_nodes": ["n", "m"],
        "outputs": {},
        "status": "paused",
        "created_at": 5,
        "elapsed_time": 2.0,
        "total_tokens": 3,
        "total_steps": 4,
    }
    assert isinstance(told["elapsed_time"], float)


def test_human_input_form_filled() -> None:
    assert data(FormFilled("n", "Ask", "Hi there", "yes", "Yes", {"note": "there", "paper": UPLOAD})) == {
        "node_id": "n",
        "node_title": "Ask",
        "rendered_content": "Hi there",
        "action_id": "yes",
        "action_text": "Yes",
        "submitted_data": {"note": "there", "paper": UPLOAD_ON_THE_WIRE},
    }


def test_human_input_form_timeout() -> None:
    assert data(FormTimedOut("n", "Ask", 99.9)) == {"node_id": "n", "node_title": "Ask", "expiration_time": 99}


def test_workflow_finished() -> None:
    assert data(run_finished(status=RunStatus.PARTIAL_SUCCEEDED, exceptions_count=1)) == {
        "id": "run",
        "workflow_id": "workflow",
        "sequence_number": 7,
        "status": "partial-succeeded",
        "outputs": {"a": 1},
        "error": None,
        "elapsed_time": 2.0,
        "total_tokens": 3,
        "total_steps": 4,
        "created_by": {"id": "end-user", "user": "alice"},
        "created_at": 1700000000,
        "finished_at": 1700000002,
        "exceptions_count": 1,
        "files": [],
    }


def test_times_are_whole_numbers_and_durations_are_not() -> None:
    text = encode(run_finished(), ENVELOPE).decode()
    assert '"created_at":1700000000,' in text
    assert '"elapsed_time":2.0,' in text


def test_an_error_event_has_no_data() -> None:
    assert json.loads(encode_error("workflow_request_error", "It cannot run.", 400, ENVELOPE)) == {
        "event": "error",
        "workflow_run_id": "run",
        "task_id": "task",
        "code": "workflow_request_error",
        "message": "It cannot run.",
        "status": 400,
    }


def test_files_become_mappings_with_a_fresh_address() -> None:
    assert data(finished(outputs={"deep": {"file": UPLOAD}}))["outputs"]["deep"]["file"] == UPLOAD_ON_THE_WIRE


def test_a_remote_file_keeps_its_address() -> None:
    remote = File("image", "remote_url", "a.png", ".png", "image/png", 70, remote_url="http://example/a.png")
    sent = data(finished(outputs={"f": remote}))["outputs"]["f"]
    assert (sent["url"], sent["remote_url"]) == ("http://example/a.png", "http://example/a.png")


@pytest.mark.parametrize("make", [finished, run_finished])
def test_files_lists_those_at_the_top_of_outputs_and_in_lists(make: Callable[..., Event]) -> None:
    outputs = {"one": UPLOAD, "text": "x", "many": [UPLOAD, 3, UPLOAD_ON_THE_WIRE], "deep": {"file": UPLOAD}}
    assert data(make(outputs=outputs))["files"] == [UPLOAD_ON_THE_WIRE] * 3


def test_a_secret_is_masked() -> None:
    assert b"sk-very-secret-value" not in encode(finished(inputs={"key": Secret("sk-very-secret-value")}), ENVELOPE)


def test_json_is_compact_raw_utf8_on_one_line() -> None:
    text = encode(TextChunk("é\n漢", ("n", "x")), ENVELOPE)
    assert '{"text":"é\\n漢","from_variable_selector":["n","x"]}'.encode() in text


def test_line_separators_are_escaped() -> None:
    text = "a\u0085b\u2028c\u2029d"
    encoded = encode(TextChunk(text, ("n", "x")), ENVELOPE)
    assert b'"a\\u0085b\\u2028c\\u2029d"' in encoded
    assert encoded.decode().splitlines() == [encoded.decode()]
    assert json.loads(encoded)["data"]["text"] == text


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("beside", [0, 2**70])
def test_numbers_that_json_has_not_become_null(number: float, beside: int) -> None:
    assert data(finished(outputs={"x": [number], "y": beside}))["outputs"] == {"x": [None], "y": beside}


def test_integers_of_any_size_keep_their_digits() -> None:
    huge = 123456789012345678901234567890
    assert data(finished(outputs={"x": huge, "file": UPLOAD}))["outputs"] == {"x": huge, "file": UPLOAD_ON_THE_WIRE}


def test_a_lone_surrogate_is_replaced_and_a_pair_joined() -> None:
    assert data(TextChunk("a\ud800b \ud83d\ude00 \u2028", ("n", "x")))["text"] == "a\ufffdb 😀 \u2028"


def test_keys_that_are_no_text_become_text() -> None:
    assert data(finished(outputs={"x": {1: "a"}}))["outputs"] == {"x": {"1": "a"}}


def test_a_value_without_json_form_is_refused() -> None:
    with pytest.raises(TypeError):
        encode(finished(outputs={"x": object()}), ENVELOPE)


def test_a_frame_takes_no_more_memory_than_it_needs() -> None:
    event = TextChunk("token", ("n1", "text"))
    length = len(encode(event, ENVELOPE))
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        frames = [encode(event, ENVELOPE) for _ in range(200)]
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert after - before < 2 * len(frames) * length
