import io
import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from tests.services import documents
from tests.unit.app.serving import Caller, Service, events, form, served
from worker.config import Config
from worker.engine.models import ModelError, ModelRef, NoModels, Stopper

MEGABYTE = 1024 * 1024
CONFIG = Config(database_url="sqlite://", speech_model="openai/tts", transcription_model="openai/whisper")
SPEECH = {"text_to_speech": {"enabled": True, "voice": "alloy", "language": "en-US", "autoPlay": "disabled"}}
AUTOPLAY = {"text_to_speech": {**SPEECH["text_to_speech"], "autoPlay": "enabled"}}
RECORDINGS = {"speech_to_text": {"enabled": True}}


class SpeechModels(NoModels):
    """Says what it was asked; a text or a file name can be an error's code."""

    def __init__(self) -> None:
        self.closed = 0

    def speak(self, model: ModelRef, text: str, voice: str = "", cancellation: Stopper | None = None) -> Iterator[bytes]:
        if text.startswith("error "):
            raise ModelError("The provider's words.", code=text.removeprefix("error "))
        try:
            for piece in () if text == "silence" else (f"{model.provider} {model.name} {voice}: ", text):
                yield piece.encode()
        finally:
            self.closed += 1

    def transcribe(self, model: ModelRef, audio: bytes, filename: str, mime_type: str, cancellation: Stopper | None = None) -> str:
        if filename.startswith("error "):
            raise ModelError("The provider's words.", code=filename.removeprefix("error "))
        return f"{model.provider} {model.name}: {len(audio)} bytes of {filename}, {mime_type}"


@pytest.fixture(scope="module")
def shared_service() -> Iterator[Service]:
    with served(config=CONFIG, models=SpeechModels()) as made:
        yield made


def app_with(service: Service, **features: Any) -> Caller:
    return service.publish(form(documents.variable("q", required=True, max_length=100), **features))


def say(caller: Caller, **body: Any) -> Any:
    return caller.post("/v1/text-to-audio", json=body)


def refusal(answer: Any) -> tuple[int, str, str]:
    assert answer.json["status"] == answer.status_code
    return answer.status_code, answer.json["code"], answer.json["message"]


def transcribe(caller: Caller, name: str = "memo.mp3", mime: str = "audio/mpeg", content: bytes = b"sound", **fields: str) -> Any:
    return caller.post("/v1/audio-to-text", data={"file": (io.BytesIO(content), name, mime), **fields})


def transcribe_bytes(caller: Caller, size: int) -> Any:
    """A recording of zeros; the test client's own encoder leaves large ones in files that nobody closes."""
    head = b'--cut\r\nContent-Disposition: form-data; name="file"; filename="memo"\r\nContent-Type: audio/wav\r\n\r\n'
    body = head + bytes(size) + b"\r\n--cut--\r\n"
    return caller.post("/v1/audio-to-text", data=body, content_type="multipart/form-data; boundary=cut")


def test_a_text_is_said_by_the_voice_of_the_app(service: Service) -> None:
    answer = say(app_with(service, **SPEECH), text="Hello.", user="alice", streaming=True)

    assert answer.status_code == 200
    assert answer.content_type == "audio/mpeg"
    assert answer.data == b"openai tts alloy: Hello."
    assert "Content-Length" not in answer.headers


def test_a_voice_can_be_chosen_also_where_the_feature_is_off(service: Service) -> None:
    assert say(app_with(service), text="Hello.", voice="nova").data == b"openai tts nova: Hello."


def test_what_a_run_put_out_is_said(service: Service) -> None:
    caller = app_with(service, **SPEECH)
    run_id = caller.run({"q": "Words of the run."}).json["workflow_run_id"]

    assert say(caller, message_id=run_id, text="ignored").data == b"openai tts alloy: Words of the run."


@pytest.mark.parametrize("message_id", [str(uuid.uuid4()), "no id"])
def test_unknown_messages_are_refused(service: Service, message_id: str) -> None:
    assert refusal(say(app_with(service, **SPEECH), message_id=message_id, text="x"))[:2] == (400, "invalid_param")


def test_runs_of_other_apps_are_unknown(service: Service) -> None:
    run_id = app_with(service, **SPEECH).run({"q": "Secret."}).json["workflow_run_id"]

    assert say(app_with(service, **SPEECH), message_id=run_id).status_code == 400


@pytest.mark.parametrize("body", [{}, {"text": None}, {"text": ""}, {"text": "  "}])
def test_a_text_is_required(service: Service, body: dict[str, Any]) -> None:
    assert refusal(say(app_with(service, **SPEECH), **body)) == (400, "invalid_param", "Text is required")


def test_speech_has_to_be_enabled(service: Service) -> None:
    assert refusal(say(app_with(service), text="Hello.")) == (400, "invalid_param", "TTS is not enabled")


def test_an_app_without_a_version_is_unavailable(service: Service) -> None:
    caller = service.publish()

    assert refusal(say(caller, text="Hello."))[1] == "app_unavailable"
    assert refusal(transcribe(caller))[1] == "app_unavailable"


def test_a_text_must_be_a_text(service: Service) -> None:
    assert say(app_with(service, **SPEECH), text=5).json["params"] == "text"


@pytest.mark.parametrize(
    "code", ["provider_not_initialize", "provider_quota_exceeded", "model_currently_not_support", "completion_request_error"]
)
def test_failures_of_models_have_their_codes(service: Service, code: str) -> None:
    caller = app_with(service, **SPEECH, **RECORDINGS)

    assert refusal(say(caller, text=f"error {code}")) == (400, code, "The provider's words.")
    assert refusal(transcribe(caller, f"error {code}")) == (400, code, "The provider's words.")


def test_silence_is_a_failure_of_the_model(service: Service) -> None:
    assert refusal(say(app_with(service, **SPEECH), text="silence"))[:2] == (400, "completion_request_error")


def test_a_client_that_leaves_ends_the_request_to_the_model() -> None:
    models = SpeechModels()
    with served(config=CONFIG, models=models) as service:
        answer = app_with(service, **SPEECH).post("/v1/text-to-audio", json={"text": "Hello."}, buffered=False)
        assert models.closed == 0

        answer.close()

        assert models.closed == 1


def test_without_models_the_endpoints_say_so() -> None:
    with served(models=SpeechModels()) as service:
        caller = app_with(service, **SPEECH, **RECORDINGS)
        assert refusal(say(caller, text="Hello."))[:2] == (400, "provider_not_initialize")
        assert refusal(transcribe(caller))[:2] == (400, "provider_not_support_speech_to_text")


@pytest.mark.parametrize("mime", ["audio/mp3", "audio/MPGA", "audio/mpeg", "audio/webm;codecs=opus", "audio/x-m4a", "audio/mp4"])
def test_a_recording_is_written_down(service: Service, mime: str) -> None:
    answer = transcribe(app_with(service, **RECORDINGS), "memo", mime, user="alice")

    assert answer.status_code == 200
    assert answer.json == {"text": f"openai whisper: 5 bytes of memo, {mime.lower().split(';')[0]}"}


def test_recordings_have_to_be_enabled(service: Service) -> None:
    caller = app_with(service)

    assert refusal(transcribe(caller))[:2] == (400, "speech_to_text_disabled")
    assert refusal(caller.post("/v1/audio-to-text", data={}))[:2] == (400, "speech_to_text_disabled")


def test_a_recording_is_required(service: Service) -> None:
    caller = app_with(service, **RECORDINGS)

    assert refusal(caller.post("/v1/audio-to-text", data={"user": "alice"}))[:2] == (400, "no_audio_uploaded")
    assert refusal(transcribe(caller, content=b""))[:2] == (400, "no_audio_uploaded")


@pytest.mark.parametrize("mime", ["text/plain", "audio/midi", "video/mp4"])
def test_other_types_are_refused(service: Service, mime: str) -> None:
    assert refusal(transcribe(app_with(service, **RECORDINGS), mime=mime))[:2] == (415, "unsupported_audio_type")


def test_a_recording_has_at_most_30_megabytes(service: Service) -> None:
    caller = app_with(service, **RECORDINGS)

    assert transcribe_bytes(caller, 30 * MEGABYTE).status_code == 200
    assert refusal(transcribe_bytes(caller, 30 * MEGABYTE + 1))[:2] == (413, "audio_too_large")


def test_streamed_runs_of_apps_that_speak_end_with_the_end_of_speech(service: Service) -> None:
    caller = app_with(service, **AUTOPLAY)

    assert [event["event"] for event in events(caller.stream({"q": "x"}))][-2:] == ["workflow_finished", "tts_message_end"]


def test_calls_get_no_speech(service: Service) -> None:
    caller = app_with(service, **AUTOPLAY)
    run_id = caller.run({"q": "x"}).json["workflow_run_id"]

    seen = caller.get(f"/v1/workflow/{run_id}/events?user=alice&include_state_snapshot=true")
    assert events(seen)[-1]["event"] == "workflow_finished"


@pytest.mark.parametrize("features", [{}, SPEECH, {"text_to_speech": {"enabled": False, "autoPlay": "enabled"}}])
def test_other_apps_do_not_speak_by_themselves(service: Service, features: dict[str, Any]) -> None:
    assert events(app_with(service, **features).stream({"q": "x"}))[-1]["event"] == "workflow_finished"


def test_who_asks_later_hears_how_the_run_ended(service: Service) -> None:
    caller = app_with(service, **AUTOPLAY)
    run_id = events(caller.stream({"q": "x"}))[0]["workflow_run_id"]

    assert [event["event"] for event in events(caller.get(f"/v1/workflow/{run_id}/events?user=alice"))] == ["workflow_finished"]
    again = events(caller.get(f"/v1/workflow/{run_id}/events?user=alice&include_state_snapshot=true"))
    assert again[-1]["event"] == "tts_message_end"
