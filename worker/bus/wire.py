"""Events of the engine as the frames of api-contract.md section 4.4: the only place that knows their JSON.

A frame is one line of JSON, encoded once, by the worker; log, pub/sub, SQL and API pass its bytes on as they are.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from worker.bus.json_text import dump
from worker.engine.events import (
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
    ReasoningChunk,
    RunFinished,
    RunPaused,
    RunStarted,
    RunStatus,
    TextChunk,
)
from worker.engine.variables import File, FileURL, is_file_json

#: Keys that servers of 2024 sent with node events; always null here.
PARALLEL_KEYS = dict.fromkeys(
    ("parallel_id", "parallel_start_node_id", "parent_parallel_id", "parent_parallel_start_node_id", "parallel_run_id")
)


@dataclass(frozen=True, slots=True)
class Envelope:
    """What the frames of one run have in common."""

    run_id: str
    task_id: str
    workflow_id: str
    sequence_number: int
    end_user_id: str
    #: The client's own name for the end user.
    user: str
    file_url: FileURL


def encode(event: Event, envelope: Envelope) -> bytes:
    """The frame of an event, without ``data: `` and line ends."""
    name, data = ENCODERS[type(event)](event, envelope)
    frame = {"event": name, "workflow_run_id": envelope.run_id, "task_id": envelope.task_id, "data": data}
    return dump(frame, envelope.file_url)


def encode_error(code: str, message: str, status: int, envelope: Envelope) -> bytes:
    """The frame that ends the stream of a run that could not be executed at all (section 4.7)."""
    frame = {
        "event": "error",
        "workflow_run_id": envelope.run_id,
        "task_id": envelope.task_id,
        "code": code,
        "message": message,
        "status": status,
    }
    return dump(frame, envelope.file_url)


def encode_speech(audio: bytes, created_at: float, envelope: Envelope) -> bytes:
    """The frame of a piece of MP3 (section 7)."""
    return _speech("tts_message", audio, created_at, envelope)


def encode_speech_end(created_at: float, envelope: Envelope) -> bytes:
    """The frame that ends the stream of a run whose text is spoken."""
    return _speech("tts_message_end", b"", created_at, envelope)


def _speech(name: str, audio: bytes, created_at: float, envelope: Envelope) -> bytes:
    frame = {
        "event": name,
        "workflow_run_id": envelope.run_id,
        "task_id": envelope.task_id,
        # A run is the one message of its conversation.
        "message_id": envelope.run_id,
        "conversation_id": "",
        "created_at": int(created_at),
        "audio": b64encode(audio).decode(),
    }
    return dump(frame, envelope.file_url)


Encoded = tuple[str, dict[str, Any]]


def _run_started(event: RunStarted, envelope: Envelope) -> Encoded:
    return "workflow_started", {
        "id": envelope.run_id,
        "workflow_id": envelope.workflow_id,
        "sequence_number": envelope.sequence_number,
        "inputs": event.inputs,
        "created_at": int(event.created_at),
        "reason": event.reason,
    }


def _node(event: NodeStarted | NodeFinished, inputs: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "id": event.execution_id,
        "node_id": event.node_id,
        "node_type": event.node_type,
        "title": event.title,
        "index": event.index,
        "predecessor_node_id": event.predecessor_node_id,
        "inputs": inputs,
        "inputs_truncated": False,
    }


def _scope(event: NodeStarted | NodeFinished) -> dict[str, Any]:
    return {"iteration_id": event.scope.iteration_id, "loop_id": event.scope.loop_id}


def _node_started(event: NodeStarted, _: Envelope) -> Encoded:
    return "node_started", {
        **_node(event, {}),
        "created_at": int(event.created_at),
        "extras": event.extras,
        **_scope(event),
        "agent_strategy": event.agent_strategy,
        **PARALLEL_KEYS,
    }


def _node_finished(event: NodeFinished, _: Envelope) -> Encoded:
    return "node_finished", _node_outcome(event)


def _node_retry(event: NodeRetried, _: Envelope) -> Encoded:
    return "node_retry", {**_node_outcome(event), "retry_index": event.retry_index}


def _node_outcome(event: NodeFinished) -> dict[str, Any]:
    return {
        **_node(event, event.inputs),
        "process_data": event.process_data,
        "process_data_truncated": False,
        "outputs": event.outputs,
        "outputs_truncated": False,
        "status": event.status,
        "error": event.error,
        "elapsed_time": float(event.elapsed_s),
        "execution_metadata": _metadata(event.metadata),
        "created_at": int(event.created_at),
        "finished_at": int(event.finished_at),
        "files": files_among(event.outputs),
        **_scope(event),
        **PARALLEL_KEYS,
    }


def _text_chunk(event: TextChunk, _: Envelope) -> Encoded:
    return "text_chunk", {"text": event.text, "from_variable_selector": list(event.selector)}


def _reasoning_chunk(event: ReasoningChunk, _: Envelope) -> Encoded:
    # There is a message in chat apps only.
    return "reasoning_chunk", {"message_id": None, "reasoning": event.text, "node_id": event.node_id, "is_final": event.is_final}


def _agent_log(event: AgentLogged, _: Envelope) -> Encoded:
    return "agent_log", {
        "node_execution_id": event.execution_id,
        "id": event.log.id,
        "label": event.log.label,
        "parent_id": event.log.parent_id,
        "error": event.log.error,
        "status": event.log.status,
        "data": event.log.data,
        "metadata": event.log.metadata,
        "node_id": event.node_id,
    }


def _container(event: ContainerStarted | ContainerNext | ContainerCompleted) -> dict[str, Any]:
    return {"id": event.node_id, "node_id": event.node_id, "node_type": event.node_type, "title": event.title}


def _container_started(event: ContainerStarted, _: Envelope) -> Encoded:
    return f"{event.node_type}_started", {
        **_container(event),
        "created_at": int(event.created_at),
        "extras": {},
        "metadata": event.metadata,
        "inputs": event.inputs,
        "inputs_truncated": False,
    }


def _container_next(event: ContainerNext, _: Envelope) -> Encoded:
    loop_only: dict[str, Any] = {"pre_loop_output": {}} if event.node_type == "loop" else {}
    return f"{event.node_type}_next", {
        **_container(event),
        "index": event.index,
        "created_at": int(event.created_at),
        **loop_only,
        "extras": {},
    }


def _container_completed(event: ContainerCompleted, _: Envelope) -> Encoded:
    return f"{event.node_type}_completed", {
        **_container(event),
        "outputs": event.outputs,
        "outputs_truncated": False,
        "created_at": int(event.created_at),
        "extras": {},
        "inputs": event.inputs,
        "inputs_truncated": False,
        "status": event.status,
        "error": event.error,
        "elapsed_time": float(event.elapsed_s),
        "total_tokens": event.total_tokens,
        "execution_metadata": _metadata(event.metadata),
        "finished_at": int(event.finished_at),
        "steps": event.steps,
    }


def _form_required(event: FormRequired, _: Envelope) -> Encoded:
    return "human_input_required", _form(event)


def _form(event: FormRequired) -> dict[str, Any]:
    return {
        "form_id": event.form_id,
        "node_id": event.node_id,
        "node_title": event.node_title,
        "form_content": event.form_content,
        "inputs": event.inputs,
        "actions": event.actions,
        "display_in_ui": event.display_in_ui,
        "form_token": event.form_token or None,
        # Forms go out over this API only, which no mail or messenger is part of.
        "approval_channels": [],
        "resolved_default_values": event.resolved_default_values,
        "expiration_time": int(event.expires_at),
    }


def _run_paused(event: RunPaused, envelope: Envelope) -> Encoded:
    return "workflow_paused", {
        "workflow_run_id": envelope.run_id,
        "paused_nodes": [form.node_id for form in event.reasons],
        "outputs": {},
        "reasons": [{"TYPE": "human_input_required", **_form(form)} for form in event.reasons],
        "status": RunStatus.PAUSED,
        "created_at": int(event.created_at),
        "elapsed_time": float(event.elapsed_s),
        "total_tokens": event.total_tokens,
        "total_steps": event.total_steps,
    }


def _form_filled(event: FormFilled, _: Envelope) -> Encoded:
    return "human_input_form_filled", {
        "node_id": event.node_id,
        "node_title": event.node_title,
        "rendered_content": event.rendered_content,
        "action_id": event.action_id,
        "action_text": event.action_text,
        "submitted_data": event.submitted_data,
    }


def _form_timed_out(event: FormTimedOut, _: Envelope) -> Encoded:
    return "human_input_form_timeout", {
        "node_id": event.node_id,
        "node_title": event.node_title,
        "expiration_time": int(event.expires_at),
    }


def _run_finished(event: RunFinished, envelope: Envelope) -> Encoded:
    return "workflow_finished", {
        "id": envelope.run_id,
        "workflow_id": envelope.workflow_id,
        "sequence_number": envelope.sequence_number,
        "status": event.status,
        "outputs": event.outputs,
        "error": event.error,
        "elapsed_time": float(event.elapsed_s),
        "total_tokens": event.total_tokens,
        "total_steps": event.total_steps,
        "created_by": {"id": envelope.end_user_id, "user": envelope.user},
        "created_at": int(event.created_at),
        "finished_at": int(event.finished_at),
        "exceptions_count": event.exceptions_count,
        "files": files_among(event.outputs),
    }


def files_among(outputs: Mapping[str, Any]) -> list[Any]:
    """Files at the top level of outputs and in their lists, in order; also those that are JSON mappings already."""
    groups = [value if isinstance(value, list) else [value] for value in outputs.values()]
    return [item for items in groups for item in items if isinstance(item, File) or is_file_json(item)]


ENCODERS: dict[type, Callable[[Any, Envelope], Encoded]] = {
    RunStarted: _run_started,
    NodeStarted: _node_started,
    NodeFinished: _node_finished,
    NodeRetried: _node_retry,
    TextChunk: _text_chunk,
    ReasoningChunk: _reasoning_chunk,
    AgentLogged: _agent_log,
    ContainerStarted: _container_started,
    ContainerNext: _container_next,
    ContainerCompleted: _container_completed,
    FormRequired: _form_required,
    RunPaused: _run_paused,
    FormFilled: _form_filled,
    FormTimedOut: _form_timed_out,
    RunFinished: _run_finished,
}


def _metadata(metadata: Mapping[str, Any]) -> Mapping[str, Any]:
    """Prices are numbers here, although usage has them as texts (api-contract.md section 4.5, nodes.md section 5.1)."""
    if "total_price" not in metadata:
        return metadata
    return {**metadata, "total_price": float(metadata["total_price"])}
