"""The journal of a run whose text is spoken while it is written (api-contract.md section 7)."""

from __future__ import annotations

from worker.engine.events import Event, RunFinished, RunStatus, TextChunk
from worker.engine.inbox import Inbox
from worker.engine.pausing import RunPause
from worker.engine.ports import Clock
from worker.engine.record import NodeRecord
from worker.journal import RunJournal
from worker.speech.speaker import Speaker

#: Seconds beyond the time for speech that its last event has to be written.
GRACE_S = 15.0


class SpeakingJournal:
    """A ``RunJournal`` that tells audio before every other event, and what is left of it after the end of the run.

    A resumed run speaks only the text that readers have not seen yet.
    """

    def __init__(self, journal: RunJournal, speaker: Speaker, clock: Clock, *, wait_s: float, max_wait_s: float) -> None:
        self._journal = journal
        self._speaker = speaker
        self._clock = clock
        self._wait_s = wait_s
        self._max_wait_s = max_wait_s

    def emit(self, event: Event) -> None:
        self._tell(self._speaker.take())
        told = self._journal.tell(event)
        if isinstance(told, TextChunk):
            self._speaker.hear(told.text)

    def record(self, record: NodeRecord, *, durable: bool) -> None:
        self._journal.record(record, durable=durable)

    def publish_due(self, *, is_idle: bool) -> float:
        return self._journal.publish_due(is_idle=is_idle)

    def finish(self, finished: RunFinished) -> RunFinished:
        """``RunJournal.finish``, then the rest of the speech. Who stopped a run does not want to hear the rest."""
        if finished.status is RunStatus.STOPPED:
            self.inbox.stop()
        self._speaker.end_text()
        self._tell(self._speaker.take())
        ended = self._journal.finish(finished, speech_s=self._max_wait_s + GRACE_S)
        if ended.status is RunStatus.STOPPED:
            self.inbox.stop()
        self._tell_rest()
        self._journal.end_speech()
        return ended

    def pause(self, pause: RunPause) -> RunStatus:
        """What there is to say so far, then ``RunJournal.pause``: the attempt that goes on speaks only what comes after."""
        self._speaker.end_text()
        self._tell(self._speaker.take())
        self._tell_rest()
        return self._journal.pause(pause)

    def close(self, status: RunStatus, error: str) -> RunFinished:
        return self._journal.close(status, error)

    @property
    def inbox(self) -> Inbox:
        """Cancel it, and nothing more is spoken."""
        return self._speaker.inbox

    def _tell_rest(self) -> None:
        give_up_at = self._clock.monotonic() + self._max_wait_s
        while not self._speaker.is_done:
            audio = self._speaker.wait(min(self._wait_s, give_up_at - self._clock.monotonic()))
            if not audio:
                break
            self._tell(audio)
            self._journal.flush()

    def _tell(self, audio: list[bytes]) -> None:
        for piece in audio:
            self._journal.speak(piece)
