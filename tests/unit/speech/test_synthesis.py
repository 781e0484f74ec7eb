from collections.abc import Iterator

import pytest

from worker.engine.models import ModelError, ModelRef, NoModels, Stopper
from worker.speech.synthesis import Voice, model_of

MODEL = ModelRef("openai", "tts-1")


class Speaking(NoModels):
    """A provider with one voice."""

    def __init__(self, status: int = 400) -> None:
        self.status = status
        self.asked: list[tuple[ModelRef, str, str]] = []

    def speak(self, model: ModelRef, text: str, voice: str = "", cancellation: Stopper | None = None) -> Iterator[bytes]:
        self.asked.append((model, text, voice))
        if voice not in ("", "alloy"):
            raise ModelError("Unknown voice.", status=self.status)
        yield text.encode()


def test_a_setting_names_provider_and_model() -> None:
    assert model_of("openai/tts-1") == MODEL
    assert model_of("siliconflow/FunAudioLLM/CosyVoice2-0.5B") == ModelRef("siliconflow", "FunAudioLLM/CosyVoice2-0.5B")
    assert model_of("openai") == ModelRef("openai", "")
    assert model_of("") is None


def test_a_text_is_spoken_by_the_voice_of_the_app() -> None:
    models = Speaking()

    assert b"".join(Voice(models, MODEL, "alloy").speak("Hello.")) == b"Hello."
    assert models.asked == [(MODEL, "Hello.", "alloy")]


def test_a_voice_that_the_provider_does_not_know_gives_way_to_its_own() -> None:
    models = Speaking()

    assert b"".join(Voice(models, MODEL, "en-US-JennyNeural").speak("Hello.")) == b"Hello."
    assert [voice for _, _, voice in models.asked] == ["en-US-JennyNeural", ""]


def test_other_failures_are_not_the_voice() -> None:
    models = Speaking(status=429)

    with pytest.raises(ModelError):
        list(Voice(models, MODEL, "nova").speak("Hello."))
    assert len(models.asked) == 1


def test_a_long_text_is_several_requests() -> None:
    models = Speaking()
    text = "A sentence of some length. " * 400

    assert b"".join(Voice(models, MODEL, "").speak(text)) == text.encode()
    assert all(len(asked) <= 4000 for _, asked, _ in models.asked)


def test_without_a_model_nothing_is_spoken() -> None:
    with pytest.raises(ModelError, match="PENSTOCK_SPEECH_MODEL") as caught:
        list(Voice(Speaking(), None, "").speak("Hello."))
    assert caught.value.code == "provider_not_initialize"
