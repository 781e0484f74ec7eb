"""Texts to speech, recordings to text (api-contract.md sections 2.12 and 2.13)."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import Any

from flask import Response, request
from werkzeug.datastructures import FileStorage

from app.auth import caller
from app.body import json_object, refuse_compression, user_name
from app.config import MEGABYTE
from app.errors import APIError, invalid_param
from app.parts import Parts, current_parts
from app.published import PublishedWorkflow
from app.schemas.audio import RecordingForm, SpeechRequest, Transcript
from app.schemas.fields import load
from app.submission import end_user
from app.views.apps import current_workflow
from app.views.blueprint import APIBlueprint
from worker.engine.features import SpeechFeature, takes_recordings
from worker.speech.synthesis import Voice, model_of
from worker.store.runs import get_run

blueprint = APIBlueprint("Audio", __name__, url_prefix="/v1", description="Speech of texts, and texts of recordings.")

BYTES = {"type": "string", "format": "binary"}
SPEECH_REQUEST = SpeechRequest()

#: Those of the contract, and what browsers and Python call the same formats.
RECORDINGS = {f"audio/{name}" for name in ("mp3", "m4a", "wav", "amr", "mpga", "mpeg", "webm", "x-m4a", "mp4", "x-wav", "wave")}
MAX_RECORDING_BYTES = 30 * MEGABYTE


@blueprint.route("/text-to-audio", methods=["POST"])
@blueprint.fails(400, 413, 415, 503)
@blueprint.alt_response(200, content_type="audio/mpeg", schema=BYTES, success=True)
@blueprint.takes(SpeechRequest)
def text_to_audio() -> Response:
    """Say a text, or what a run put out"""
    parts = current_parts()
    body = json_object(request)
    end_user(parts, user_name(body.get("user")))
    wanted = load(SPEECH_REQUEST, body)
    text = text_of_run(parts, wanted["message_id"]) if wanted["message_id"] else wanted["text"]
    if not text or not text.strip():
        raise invalid_param("Text is required")
    voice = wanted["voice"] or voice_of_app(workflow_of_app())
    speech = Voice(parts.models(), model_of(parts.config.speech_model), voice).speak(text)
    # What fails before the first piece is an answer of its own.
    first = next(speech, None)
    if first is None:
        raise APIError("completion_request_error", "The model answered without audio.")
    return audio_answer(first, speech)


def audio_answer(first: bytes, rest: Iterator[bytes]) -> Response:
    response = Response(chain([first], rest), mimetype="audio/mpeg")
    # A client that leaves has the model's connection closed.
    response.call_on_close(getattr(rest, "close", lambda: None))
    return response


def text_of_run(parts: Parts, run_id: str) -> str:
    """The texts among the outputs of a run. Raises ``APIError``."""
    with parts.database.read() as session:
        run = get_run(session, caller().app_id, run_id)
    if run is None:
        raise invalid_param("message_id is neither a run of this app nor the message of one.", "message_id")
    return "\n".join(value for value in run.outputs.values() if isinstance(value, str))


def voice_of_app(workflow: PublishedWorkflow) -> str:
    """Raises ``APIError`` where the app has no speech."""
    feature = SpeechFeature.of(workflow.features)
    if not feature.is_enabled:
        raise invalid_param("TTS is not enabled")
    return feature.voice


def workflow_of_app() -> PublishedWorkflow:
    workflow = current_workflow()
    if workflow is None:
        raise APIError("app_unavailable")
    return workflow


@blueprint.route("/audio-to-text", methods=["POST"])
@blueprint.fails(400, 413, 415, 503)
@blueprint.response(200, Transcript)
@blueprint.takes(RecordingForm, "multipart/form-data")
def audio_to_text() -> dict[str, Any]:
    """Write a recording down"""
    parts = current_parts()
    refuse_compression(request)
    end_user(parts, user_name(request.form.get("user")))
    if not takes_recordings(workflow_of_app().features):
        raise APIError("speech_to_text_disabled")
    file = request.files.get("file")
    if file is None:
        raise APIError("no_audio_uploaded")
    content = recording(file)
    model = model_of(parts.config.transcription_model)
    if model is None:
        raise APIError("provider_not_support_speech_to_text")
    return {"text": parts.models().transcribe(model, content, file.filename or "audio", file.mimetype)}


def recording(file: FileStorage) -> bytes:
    """The bytes of a recording. Raises ``APIError``."""
    if file.mimetype.lower() not in RECORDINGS:
        raise APIError("unsupported_audio_type")
    content = file.stream.read(MAX_RECORDING_BYTES + 1)
    if len(content) > MAX_RECORDING_BYTES:
        raise APIError("audio_too_large")
    if not content:
        raise APIError("no_audio_uploaded")
    return content
