import threading
from collections.abc import Iterator
from queue import SimpleQueue

from worker.engine.execution import Threads
from worker.engine.models import ModelError, Stopper
from worker.speech.speaker import Speaker

TEXT = "One. Two. Three. Four. Five."


class Voice:
    """Says a text in two pieces, when it is told to."""

    def __init__(self) -> None:
        self.asked: SimpleQueue[str] = SimpleQueue()
        self.may_speak: dict[str, threading.Event] = {}
        self.failures: dict[str, Exception] = {}

    def gate(self, text: str) -> threading.Event:
        return self.may_speak.setdefault(text, threading.Event())

    def speak(self, text: str, cancellation: Stopper) -> Iterator[bytes]:
        self.asked.put(text)
        gate = self.gate(text)
        cancellation.on_cancel(gate.set)
        assert gate.wait(10)
        cancellation.check()
        if text in self.failures:
            raise self.failures[text]
        yield text.encode()
        yield b"|"


def speaker_of(voice: Voice) -> Speaker:
    return Speaker(voice.speak, Threads(idle_s=0.1).submit)


def heard(speaker: Speaker) -> bytes:
    found = b""
    while not speaker.is_done:
        audio = speaker.wait(10)
        assert audio or speaker.is_done
        found += b"".join(audio)
    return found


def test_audio_comes_in_the_order_of_the_text() -> None:
    voice = Voice()
    speaker = speaker_of(voice)
    speaker.hear("One. Two.")
    speaker.hear("Three. Four. Five.")
    speaker.hear("Six")
    speaker.end_text()
    for text in ("Six", "Three. Four. Five."):
        voice.gate(text).set()

    assert speaker.wait(0.05) == []
    voice.gate("One. Two.").set()

    assert heard(speaker) == b"One. Two.|Three. Four. Five.|Six|"


def test_no_more_than_three_requests_are_in_flight() -> None:
    voice = Voice()
    speaker = speaker_of(voice)
    texts = ["a.a.", "b.b.b.", "c.c.c.c.", "d.d.d.d.d."]
    for text in texts:
        speaker.hear(text)
    assert {voice.asked.get(timeout=10) for _ in range(3)} == set(texts[:3])
    assert voice.asked.empty()

    voice.gate("b.b.b.").set()

    assert voice.asked.get(timeout=10) == "d.d.d.d.d."
    for text in texts:
        voice.gate(text).set()
    assert heard(speaker) == b"".join(text.encode() + b"|" for text in texts)


def test_audio_that_is_not_there_is_not_waited_for() -> None:
    voice = Voice()
    speaker = speaker_of(voice)
    speaker.hear("One. Two.")

    assert speaker.take() == []
    assert not speaker.is_done

    speaker.inbox.stop()


def test_what_cannot_be_spoken_is_left_out() -> None:
    voice = Voice()
    voice.failures = {"One. Two.": ModelError("no"), "Three. Four. Five.": ZeroDivisionError()}
    speaker = speaker_of(voice)
    for text in ("One. Two.", "Three. Four. Five.", "Six"):
        voice.gate(text).set()
        speaker.hear(text)
    speaker.end_text()

    assert heard(speaker) == b"Six|"


def test_who_falls_silent_leaves_its_requests() -> None:
    voice = Voice()
    speaker = speaker_of(voice)
    speaker.hear("One. Two.")
    assert voice.asked.get(timeout=10) == "One. Two."

    speaker.inbox.stop()
    speaker.hear("Three. Four. Five.")
    speaker.end_text()

    assert speaker.is_done
    assert speaker.wait(10) == []
    assert voice.gate("One. Two.").is_set()


def test_blank_texts_ask_nobody() -> None:
    speaker = speaker_of(Voice())
    speaker.hear(" \n")
    speaker.end_text()

    assert speaker.is_done
