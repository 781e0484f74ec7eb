import time
from pathlib import Path

import miniaudio
import pytest

from worker.engine.errors import RunStopped
from worker.engine.inbox import Inbox
from worker.engine.models import ModelError, ModelRef, NoModels
from worker.speech import offline
from worker.speech.synthesis import Voice


def said(text: str, *voices: str) -> bytes:
    return b"".join(offline.speak_offline(text, voices))


def test_a_text_becomes_an_mp3_that_lasts_as_long_as_it_takes_to_say() -> None:
    sound = miniaudio.decode(said("This is a test of the voice that needs no account.", "en"))

    assert 1.5 < sound.duration < 10
    assert max(sound.samples) > 1000


def test_each_piece_for_an_event_can_be_decoded() -> None:
    voice = Voice(NoModels(), ModelRef("offline", "en"), "alloy")

    pieces = list(voice.speak("A long sentence follows another one, so that there are several pieces to hear. " * 5))

    assert len(pieces) > 2
    assert all(miniaudio.decode(piece).num_frames > 0 for piece in pieces)


def test_voices_that_are_not_known_give_way() -> None:
    assert said("Guten Tag", "alloy", "de") == said("Guten Tag", "de") != said("Guten Tag", "nobody")
    assert said("Guten Tag", "", "../../en") == said("Guten Tag")


def test_other_scripts_are_spoken() -> None:
    assert miniaudio.decode(said("你好世界", "cmn")).duration > 0.5


def test_who_is_cancelled_leaves_no_process() -> None:
    inbox = Inbox()
    pieces = offline.speak_offline("Many words. " * 300, ("en",), inbox)
    next(pieces)
    inbox.stop()

    with pytest.raises(RunStopped):
        list(pieces)


def test_who_stops_listening_ends_the_process() -> None:
    began = time.monotonic()
    pieces = offline.speak_offline("Many words. " * 300, ("en",))
    next(pieces)
    pieces.close()  # type: ignore[attr-defined]

    assert time.monotonic() - began < 5


@pytest.mark.parametrize(("status", "code"), [(3, "provider_not_initialize"), (1, "completion_request_error")])
def test_failures_are_those_of_a_model(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, status: int, code: str) -> None:
    program = tmp_path / "program.py"
    program.write_text(f"raise SystemExit({status})", "utf-8")
    monkeypatch.setattr(offline, "PROGRAM", program)

    with pytest.raises(ModelError) as caught:
        said("Hello", "en")
    assert caught.value.code == code
