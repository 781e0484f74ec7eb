"""Runs whose text is spoken (api-contract.md section 7), from the journal up to the runner."""

import base64
import threading
import time
from collections.abc import Iterator
from typing import Any

import miniaudio
import pytest

from app.dev_model.sounds import spoken
from app.stream.history import RunHistory
from app.stream.relay import Past
from tests.services import documents
from tests.unit.running import LEASE_S, accept, change, claimed, detail, kinds, memory_database, stored, success, told
from worker.active import ActiveRun, ActiveRuns
from worker.bus.memory import MemoryEventLog
from worker.closing import close_run
from worker.config import Config
from worker.dispatcher import MemoryDispatcher
from worker.engine.events import RunStarted, RunStatus, TextChunk
from worker.engine.execution import Threads
from worker.engine.human_form import FormAction, HumanForm
from worker.engine.inbox import Inbox
from worker.engine.memory import SystemClock
from worker.engine.models import ModelError, ModelRef, NoModels, Stopper
from worker.engine.pausing import AskedForm, FormRequest, RunPause
from worker.engine.ports import Ports
from worker.engine.spending import NOTHING_SPENT
from worker.engine.variables import remote_address
from worker.graphs import Graphs
from worker.history import load_history
from worker.journal import RunJournal, envelope_of
from worker.nodes.registry import Registry
from worker.runner import RunService
from worker.speaking import SpeakingJournal
from worker.speech.mp3 import whole_frames
from worker.speech.speaker import Speaker
from worker.store.claims import Claim
from worker.store.runs import NewRun
from worker.store.session import Database

BEGIN = RunStarted({}, 100.0)
TEXT = "One. Two. Three. Four. Five. And six"


@pytest.fixture
def database() -> Iterator[Database]:
    made = memory_database()
    yield made
    made.dispose()


@pytest.fixture
def log() -> MemoryEventLog:
    return MemoryEventLog()


@pytest.fixture
def run(database: Database) -> NewRun:
    made = accept(database)
    change(database, made, wants_speech=True)
    return made


def speak(text: str, cancellation: Stopper) -> Iterator[bytes]:
    return whole_frames(spoken(text, "mp3"))


def fail(text: str, cancellation: Stopper) -> Iterator[bytes]:
    raise ModelError("no voice today")


def hang(text: str, cancellation: Stopper) -> Iterator[bytes]:
    cancellation.wait(30)
    cancellation.check()
    yield b"too late"


def journal_of(claim: Claim, database: Database, log: MemoryEventLog) -> RunJournal:
    envelope = envelope_of(claim, remote_address)
    history = load_history(database, log, claim)
    return RunJournal(claim, envelope, database, log, SystemClock(), patience_s=LEASE_S, history=history)


def speaking(claim: Claim, database: Database, log: MemoryEventLog, voice: Any = speak, wait_s: float = 5.0) -> SpeakingJournal:
    speaker = Speaker(voice, Threads(idle_s=0.1).submit)
    return SpeakingJournal(journal_of(claim, database, log), speaker, SystemClock(), wait_s=wait_s, max_wait_s=60.0)


def say(journal: SpeakingJournal, text: str = TEXT) -> None:
    for start in range(0, len(text), 3):
        journal.emit(TextChunk(text[start : start + 3], ("end", "answer")))


def audio_of(events: list[dict[str, Any]]) -> bytes:
    return b"".join(base64.b64decode(event["audio"], validate=True) for event in events if event["event"] == "tts_message")


def spoken_words(events: list[dict[str, Any]]) -> list[str]:
    return [name for name in kinds(events) if name not in ("text_chunk", "tts_message")]


def past(database: Database, run: NewRun) -> Past:
    return RunHistory(database, run.run_id).read(0, 1000)


def test_the_text_is_heard_and_the_stream_ends_with_the_speech(database: Database, log: MemoryEventLog, run: NewRun) -> None:
    journal = speaking(claimed(database, run), database, log)
    journal.emit(BEGIN)
    say(journal)

    journal.finish(success())

    events = told(log, run)
    assert events == stored(database, run)
    assert spoken_words(events) == ["workflow_started", "workflow_finished", "tts_message_end"]
    samples = miniaudio.decode(audio_of(events), sample_rate=24_000).num_frames
    assert samples == miniaudio.decode(b"".join(spoken(TEXT, "mp3")), sample_rate=24_000).num_frames
    last = log.read(run.run_id, len(events) - 1, 1)[0]
    assert last.is_terminal
    assert past(database, run).entries[-1] == last
    assert past(database, run).is_complete


def test_speech_events_have_the_fields_of_the_contract(database: Database, log: MemoryEventLog, run: NewRun) -> None:
    journal = speaking(claimed(database, run), database, log)
    say(journal, "Hello.")
    journal.finish(success())

    audio, *_, end = (event for event in told(log, run) if event["event"].startswith("tts_"))
    common = {"workflow_run_id": run.run_id, "task_id": run.task_id, "message_id": run.run_id, "conversation_id": ""}
    assert audio == {"event": "tts_message", **common, "created_at": audio["created_at"], "audio": audio["audio"]}
    assert abs(audio["created_at"] - time.time()) < 10
    assert end == {"event": "tts_message_end", **common, "created_at": end["created_at"], "audio": ""}


def test_audio_that_is_there_comes_before_the_next_event(database: Database, log: MemoryEventLog, run: NewRun) -> None:
    is_spoken = threading.Event()

    def voice(text: str, cancellation: Stopper) -> Iterator[bytes]:
        yield text.encode()
        is_spoken.set()

    journal = speaking(claimed(database, run), database, log, voice)
    journal.emit(TextChunk("One. Two.", ("end", "answer")))
    assert is_spoken.wait(10)
    journal.emit(TextChunk(" More", ("end", "answer")))
    journal.finish(success())

    assert kinds(told(log, run)) == ["text_chunk", "tts_message", "text_chunk", "workflow_finished", "tts_message", "tts_message_end"]
    assert audio_of(told(log, run)) == b"One. Two. More"


def test_the_run_has_ended_before_the_rest_of_its_speech_is_told(database: Database, log: MemoryEventLog, run: NewRun) -> None:
    may_speak = threading.Event()

    def voice(text: str, cancellation: Stopper) -> Iterator[bytes]:
        assert may_speak.wait(10)
        yield text.encode()

    journal = speaking(claimed(database, run), database, log, voice)
    say(journal, "Hello")
    ending = threading.Thread(target=journal.finish, args=(success(),))
    ending.start()
    deadline = time.monotonic() + 10
    while kinds(told(log, run))[-1:] != ["workflow_finished"]:
        assert time.monotonic() < deadline
        time.sleep(0.005)

    assert detail(database, run).status is RunStatus.SUCCEEDED
    assert not log.read(run.run_id, 0, 100)[-1].is_terminal
    assert not past(database, run).is_complete

    may_speak.set()
    ending.join(10)
    assert kinds(told(log, run))[-3:] == ["workflow_finished", "tts_message", "tts_message_end"]
    assert past(database, run).is_complete


@pytest.mark.parametrize("voice", [fail, hang])
def test_failing_speech_is_no_error_of_the_run(database: Database, log: MemoryEventLog, run: NewRun, voice: Any) -> None:
    journal = speaking(claimed(database, run), database, log, voice, wait_s=0.05)
    say(journal)

    assert journal.finish(success()).status is RunStatus.SUCCEEDED

    journal.inbox.stop()
    assert spoken_words(told(log, run)) == ["workflow_finished", "tts_message_end"]


def test_speech_ends_with_a_run_that_is_stopped(database: Database, log: MemoryEventLog, run: NewRun) -> None:
    journal = speaking(claimed(database, run), database, log, hang)
    say(journal)
    change(database, run, cancel_requested_at=1.0)

    began = time.monotonic()
    assert journal.finish(success()).status is RunStatus.STOPPED

    assert time.monotonic() - began < 2
    assert spoken_words(told(log, run)) == ["workflow_finished", "tts_message_end"]


def test_a_drain_cuts_speech_after_the_end_short(database: Database, log: MemoryEventLog, run: NewRun) -> None:
    claim = claimed(database, run)
    journal = speaking(claim, database, log, hang)
    say(journal)
    active, mine = ActiveRuns(), ActiveRun(claim.run_id, claim.attempt, Inbox(), 0.0)
    active.add(mine)
    mine.inbox, mine.is_speaking = journal.inbox, True
    ending = threading.Thread(target=journal.finish, args=(success(),))
    ending.start()

    assert active.claims() == active.leased_before(1e9) == []
    active.fence([(claim.run_id, claim.attempt)])
    assert not journal.inbox.is_cancelled
    active.drain(10.0)

    ending.join(2)
    assert not ending.is_alive()
    assert kinds(told(log, run))[-1] == "tts_message_end"


def test_a_resumed_run_speaks_what_readers_have_not_seen(database: Database, log: MemoryEventLog, run: NewRun) -> None:
    first = speaking(claimed(database, run), database, log, hang)
    first.emit(BEGIN)
    say(first, "One. ")
    first.publish_due(is_idle=True)
    first.inbox.stop()
    change(database, run, status=RunStatus.SCHEDULED)

    second = speaking(claimed(database, run), database, log, lambda text, _: iter([text.encode()]))
    second.emit(BEGIN)
    say(second, "One. Two.")
    second.finish(success())

    events = told(log, run)
    assert spoken_words(events) == ["workflow_started", "workflow_finished", "tts_message_end"]
    assert audio_of(events) == b"Two."


def test_what_was_said_before_a_pause_is_heard_before_it(database: Database, log: MemoryEventLog, run: NewRun) -> None:
    form = HumanForm("Sure?", [], [FormAction("yes", "Yes")], True, {})
    pause = RunPause([AskedForm("execution", "ask", "Ask", FormRequest(form, 60.0))], 1.0, NOTHING_SPENT, 1, 0, 100.0)
    first = speaking(claimed(database, run), database, log, lambda text, _: iter([text.encode()]))
    first.emit(BEGIN)
    say(first, "One. ")
    assert first.pause(pause) is RunStatus.PAUSED
    change(database, run, status=RunStatus.SCHEDULED)

    second = speaking(claimed(database, run), database, log, lambda text, _: iter([text.encode()]))
    second.emit(BEGIN)
    say(second, "One. Two.")
    second.finish(success())

    events = told(log, run)
    assert events == stored(database, run)
    assert [name for name in kinds(events) if name != "text_chunk"] == [
        "workflow_started",
        *["tts_message", "human_input_required", "workflow_paused"],
        *["workflow_finished", "tts_message", "tts_message_end"],
    ]
    assert audio_of(events) == b"One. Two."


def test_a_run_that_nobody_executes_ends_with_the_end_of_speech_too(database: Database, log: MemoryEventLog, run: NewRun) -> None:
    close_run(database, log, claimed(database, run), RunStatus.STOPPED, "stopped", remote_address)

    assert kinds(told(log, run)) == kinds(stored(database, run)) == ["workflow_started", "workflow_finished", "tts_message_end"]
    assert log.read(run.run_id, 2, 1)[0].is_terminal
    assert past(database, run).is_complete


def test_a_run_that_cannot_be_executed_ends_its_stream_likewise(database: Database, log: MemoryEventLog, run: NewRun) -> None:
    journal_of(claimed(database, run), database, log).refuse("workflow_request_error", "no", 400)

    assert kinds(told(log, run)) == kinds(stored(database, run)) == ["error", "tts_message_end"]


def test_readers_do_not_wait_for_a_worker_that_died_while_it_spoke(database: Database, log: MemoryEventLog, run: NewRun) -> None:
    journal_of(claimed(database, run), database, log).finish(success(), speech_s=60.0)
    assert not past(database, run).is_complete

    change(database, run, lease_until=1.0)

    assert past(database, run).is_complete
    assert past(database, run).entries[-1].is_terminal


class Models(NoModels):
    """A provider whose voice is known by its name."""

    def speak(self, model: ModelRef, text: str, voice: str = "", cancellation: Stopper | None = None) -> Iterator[bytes]:
        yield f"{model.provider} {model.name} {voice}: {text}".encode()


class NoFiles:
    url = staticmethod(remote_address)


def speaking_document() -> documents.Document:
    features = {"text_to_speech": {"enabled": True, "voice": "alloy", "autoPlay": "enabled"}}
    nodes = [documents.start(documents.variable("q")), documents.end(answer=["start", "q"])]
    return documents.workflow("speaks", nodes, [("start", "end")], **features)


def service(database: Database, log: MemoryEventLog, active: ActiveRuns | None = None) -> RunService:
    ports: Any = Ports(None, None, None, None, NoFiles(), SystemClock(), models=Models())  # type: ignore[arg-type]
    config = Config(speech_model="openai/tts-1")
    graphs = Graphs(database, Registry(), config)
    return RunService(database, log, graphs, lambda app_id: ports, active or ActiveRuns(), MemoryDispatcher(), config, "worker-1", {})


def test_a_worker_speaks_with_the_voice_of_the_app(database: Database, log: MemoryEventLog) -> None:
    run = accept(database, speaking_document(), {"q": "Hello."})
    change(database, run, wants_speech=True)

    service(database, log).execute(run.run_id, run.task_id)

    assert spoken_words(told(log, run))[-2:] == ["workflow_finished", "tts_message_end"]
    assert audio_of(told(log, run)) == b"openai tts-1 alloy: Hello."


def test_a_worker_is_silent_unless_the_run_wants_speech(database: Database, log: MemoryEventLog) -> None:
    run = accept(database, speaking_document(), {"q": "Hello."})

    service(database, log).execute(run.run_id, run.task_id)

    assert kinds(told(log, run))[-1] == "workflow_finished"


def test_runs_without_speech_are_as_ever(database: Database, log: MemoryEventLog) -> None:
    silent = accept(database)
    journal_of(claimed(database, silent), database, log).finish(success())

    assert kinds(told(log, silent)) == ["workflow_finished"]
    assert past(database, silent).entries[-1].is_terminal
