"""Where a run tells what happened: numbered events to readers, results and events to SQL (engine/ports.py ``Journal``).

Two writers with one order. SQL gets node results and the events up to them in one transaction, at checkpoints; the log gets every
event soon after it happened. The end of a run is committed first and published then (design.md invariants 4 to 6).
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable
from dataclasses import replace
from secrets import token_urlsafe
from typing import TypeVar

import redis
from sqlalchemy import select
from sqlalchemy.orm import Session

from worker.bus.events import UNSTORED_EVENTS
from worker.bus.ports import EventLogPort
from worker.bus.replay import Told
from worker.bus.wire import Envelope, encode, encode_error, encode_speech, encode_speech_end
from worker.engine.errors import RunFenced
from worker.engine.events import STOPPED_TEXT, Event, NodeRetried, RunFinished, RunStatus
from worker.engine.pausing import RunPause
from worker.engine.ports import Clock
from worker.engine.record import NodeRecord
from worker.engine.start import Tried
from worker.engine.variables import FileURL, to_json
from worker.history import History, Tally
from worker.store.claims import Claim, finish_run, release_run, save_progress, save_speech
from worker.store.clock import now_s
from worker.store.errors import StorageUnavailable
from worker.store.events import EventStretch
from worker.store.pauses import pause_run
from worker.store.session import Database

logger = logging.getLogger(__name__)

T = TypeVar("T")

#: An event of a run that has more to tell at once waits for company this long, or until this many bytes have come together.
FLUSH_S = 0.05
FLUSH_BYTES = 64 * 1024

#: Seconds between two flushes of a run that waits for news: an event that comes alone goes out at once, those of a burst together.
PACE_S = 0.005

#: Bytes and number of events that may wait for a checkpoint; beyond, they are stored without one. Bounds memory (a process may have
#: hundreds of runs that stream), what a resumed run reads from the log, and what the log must not trim yet.
BACKLOG_BYTES = 64 * 1024
BACKLOG_EVENTS = UNSTORED_EVENTS

#: Seconds for which the log is left alone after it failed.
LOG_PAUSE_S = 1.0

#: Seconds for which the end of a run is offered to a log that fails, and between two tries; after that readers find it in SQL.
FINAL_PATIENCE_S = 2.0
FINAL_PAUSE_S = 0.3

#: Of a form's token: nobody guesses 192 bits.
TOKEN_BYTES = 24

#: Seconds between tries to write to a database that does not answer.
STORE_PAUSE_S = 0.5


class RunJournal:
    """The journal of one claim. All methods raise ``RunFenced`` once the claim is not in force any more.

    They raise it too when the database stays away for ``patience_s`` seconds, the time that the lease lasts: by then the run may be
    somebody else's, and if it is not, the sweeper gives it away.
    """

    def __init__(
        self,
        claim: Claim,
        envelope: Envelope,
        database: Database,
        log: EventLogPort,
        clock: Clock,
        *,
        patience_s: float,
        history: History | None = None,
    ) -> None:
        history = history or History()
        self._claim = claim
        self._envelope = envelope
        self._database = database
        self._log = log
        self._clock = clock
        self._patience_s = patience_s
        self._began = clock.monotonic()
        self._told = Told(history.frames) if history.frames else None
        self._tally = Tally.of(history.records, self.tried)
        #: Number of the last event.
        self._last = len(history.frames)
        #: Events that SQL lacks, up to the last one.
        self._unstored: list[bytes] = list(history.frames[history.stored :])
        self._unstored_bytes = sum(map(len, self._unstored))
        #: Events that the log lacks, up to the last one.
        self._unpublished: list[bytes] = []
        self._unpublished_bytes = 0
        self._flush_at = 0.0
        #: Until then the last flush was a moment ago.
        self._pace_until = 0.0
        #: The log failed lately: leave it alone until then.
        self._log_pause_until: float | None = None
        #: Results that SQL lacks, with their positions.
        self._records: list[tuple[int, NodeRecord]] = []
        self._position = len(history.records)
        self._has_ended = False

    @property
    def started(self) -> dict[str, tuple[int, float]]:
        """Nodes that readers saw start before this attempt (engine/start.py ``Resume.started``)."""
        return {} if self._told is None else self._told.started

    @property
    def tried(self) -> dict[str, Tried]:
        """Nodes whose failed attempts readers were told of (engine/start.py ``Resume.tried``)."""
        return {} if self._told is None else self._told.tried

    @property
    def is_paused(self) -> bool:
        """Readers were told that the run pauses, and not yet that it goes on (engine/start.py ``Resume.ends_pause``)."""
        return self._told is not None and self._told.is_paused

    # ---- engine/ports.py Journal

    def emit(self, event: Event) -> None:
        self.tell(event)

    def tell(self, event: Event) -> Event | None:
        """``emit``; answers what of the event readers did not know yet."""
        frame = encode(event, self._envelope)
        if self._told is not None:
            rest = self._told.rest(event, frame)
            if rest is None:
                return None
            frame = frame if rest is event else encode(rest, self._envelope)
            event = rest
        if isinstance(event, NodeRetried):
            self._tally.retry(event)
        self._add(frame)
        return event

    def _add(self, frame: bytes) -> None:
        self._append_frame(frame)
        self._unstored.append(frame)
        self._unstored_bytes += len(frame)
        if self._unpublished_bytes > FLUSH_BYTES or self._clock.monotonic() >= self._flush_at:
            self.flush()
        if self._unstored_bytes > BACKLOG_BYTES or len(self._unstored) >= BACKLOG_EVENTS:
            self._commit()

    def record(self, record: NodeRecord, *, durable: bool) -> None:
        self._position += 1
        self._records.append((self._position, record))
        self._tally.add(record)
        if durable:
            self._commit()

    def publish_due(self, *, is_idle: bool) -> float:
        if not self._unpublished:
            return math.inf
        due_at = max(self._pace_until if is_idle else self._flush_at, self._log_pause_until or 0.0)
        wait_s = due_at - self._clock.monotonic()
        if wait_s > 0:
            return wait_s
        self.flush()
        return LOG_PAUSE_S if self._unpublished else math.inf

    def flush(self) -> None:
        """Publish what waits, now, unless the log is to be left alone."""
        if self._unpublished and not self._is_log_paused():
            self._publish(is_terminal=False)

    # ---- speech

    def speak(self, audio: bytes) -> None:
        """Tell a piece of MP3, while the run goes on or after ``finish`` with ``speech_s``."""
        self._add(encode_speech(audio, self._clock.now(), self._envelope))

    def end_speech(self) -> None:
        """Tell that nothing follows, after ``finish`` with ``speech_s``."""
        frame = self._speech_end()
        claim, events = self._claim, self._unstored_stretch(frame)
        assert events is not None, "one frame at least"
        self._persist(lambda session: save_speech(session, claim.run_id, claim.attempt, events, is_end=True))
        self._note_stored()
        self._append_frame(frame)
        self._publish_end()

    def _speech_end(self) -> bytes:
        return encode_speech_end(self._clock.now(), self._envelope)

    # ---- ends

    def finish(self, finished: RunFinished, *, speech_s: float | None = None) -> RunFinished:
        """Make the end of the run durable, then tell it; answers how it really ended: a stop that was requested beats a success.

        ``speech_s``: for that many seconds at most, speech follows, and ``end_speech``.
        """
        if not self._store_end(finished, encode(finished, self._envelope), speech_s):
            finished = replace(finished, status=RunStatus.STOPPED, error=STOPPED_TEXT)
            self._store_end(finished, encode(finished, self._envelope), speech_s)
        self._publish_end(is_terminal=speech_s is None)
        return finished

    def close(self, status: RunStatus, error: str) -> RunFinished:
        """End a run that no engine brings to its end, with what its nodes have added up to so far."""
        return self.finish(self._finished(status, error))

    def refuse(self, code: str, error: str, http_status: int) -> None:
        """End, as failed, a run that cannot be executed at all: by an ``error`` event, unless readers saw it start already."""
        # What is not stored yet may be what could not be stored.
        self._records = []
        if self._last:
            self.close(RunStatus.FAILED, error)
            return
        self._store_end(self._finished(RunStatus.FAILED, error), encode_error(code, error, http_status, self._envelope))
        self._publish_end()

    def pause(self, pause: RunPause) -> RunStatus:
        """Put the run aside, with all that is known, then tell so; answers what it is then, as ``pause_run`` does.

        Forms expire by the database's clock. Their tokens are made before they are stored, so that storing may be repeated.
        """
        now = self._persist(lambda session: session.scalars(select(now_s())).one())
        forms = pause.held(lambda: token_urlsafe(TOKEN_BYTES), now)
        frames = [encode(event, self._envelope) for event in pause.events(forms)]
        events = self._unstored_stretch(*frames)
        assert events is not None, "two frames at least"
        status = self._persist(lambda session: pause_run(session, self._claim, pause, forms, self._records, events))
        if status is not RunStatus.STOPPED:
            self._note_stored()
            for frame in frames:
                self._append_frame(frame)
            self._publish_end(is_terminal=False)
        return status

    def hand_over(self) -> bool:
        """Give the run back to be executed elsewhere, with all that is known. False: it is to be stopped, and still this claim's."""
        self.flush()

        def give_back(session: Session) -> bool:
            self._save(session)
            return release_run(session, self._claim.run_id, self._claim.attempt)

        return self._persist(give_back)

    def _finished(self, status: RunStatus, error: str) -> RunFinished:
        return RunFinished(
            status=status,
            outputs=self._tally.outputs,
            error=error,
            elapsed_s=self._claim.elapsed_s + self._clock.monotonic() - self._began,
            total_tokens=self._tally.total_tokens,
            total_steps=self._tally.total_steps,
            exceptions_count=self._tally.exceptions_count,
            created_at=self._claim.created_at,
            finished_at=self._clock.now(),
        )

    # ---- SQL

    def _commit(self) -> None:
        if self._records or self._unstored:
            self._persist(self._save)
            self._note_stored()

    def _save(self, session: Session) -> None:
        claim, events = self._claim, self._unstored_stretch()
        if self._has_ended and events is not None:
            save_speech(session, claim.run_id, claim.attempt, events)
        else:
            save_progress(session, claim.run_id, claim.attempt, self._records, events)

    def _store_end(self, finished: RunFinished, frame: bytes, speech_s: float | None = None) -> bool:
        """False: nothing was written, since the run is to be stopped."""
        claim, outputs = self._claim, to_json(finished.outputs, lambda file: "")
        frames = [frame] if speech_s is not None or not claim.wants_speech else [frame, self._speech_end()]
        events = self._unstored_stretch(*frames)

        def write_end(session: Session) -> bool:
            return finish_run(session, claim.run_id, claim.attempt, finished, outputs, self._records, events, speech_s=speech_s)

        if not self._persist(write_end):
            return False
        self._has_ended = True
        self._note_stored()
        for ending in frames:
            self._append_frame(ending)
        return True

    def _unstored_stretch(self, *following: bytes) -> EventStretch | None:
        """What SQL lacks, and the frames that come next."""
        frames = [*self._unstored, *following]
        first = self._last - len(self._unstored) + 1
        return EventStretch.of(first, frames) if frames else None

    def _note_stored(self) -> None:
        self._records = []
        self._unstored = []
        self._unstored_bytes = 0
        if self._log_pause_until is not None:
            # Readers find these in SQL; the log will have a gap there, which it accepts.
            self._unpublished = []
            self._unpublished_bytes = 0

    def _persist(self, work: Callable[[Session], T]) -> T:
        """``work`` in a transaction, again and again while the database is away: a run pauses then, it does not fail."""
        give_up_at = self._clock.monotonic() + self._patience_s
        while True:
            try:
                return self._database.transact(work)
            except StorageUnavailable as error:
                logger.warning("Run %s waits for the database: %s", self._claim.run_id, error)
                if self._clock.monotonic() >= give_up_at:
                    raise RunFenced from error
            time.sleep(STORE_PAUSE_S)

    # ---- the log

    def _append_frame(self, frame: bytes) -> None:
        if not self._unpublished:
            self._flush_at = self._clock.monotonic() + FLUSH_S
        self._last += 1
        self._unpublished.append(frame)
        self._unpublished_bytes += len(frame)

    def _is_log_paused(self) -> bool:
        return self._log_pause_until is not None and self._clock.monotonic() < self._log_pause_until

    def _publish(self, *, is_terminal: bool) -> bool:
        """False: the log is away. What it missed follows with a later flush, or is read from SQL."""
        try:
            self._append(is_terminal)
        except redis.RedisError as error:
            logger.warning("Events of run %s could not be published: %s", self._claim.run_id, error)
            self._log_pause_until = self._clock.monotonic() + LOG_PAUSE_S
            return False
        self._log_pause_until = None
        self._pace_until = self._clock.monotonic() + PACE_S
        self._unpublished = []
        self._unpublished_bytes = 0
        return True

    def _append(self, is_terminal: bool) -> None:
        claim, stored = self._claim, self._last - len(self._unstored)
        first = self._last - len(self._unpublished) + 1
        last = self._log.append(claim.run_id, claim.attempt, first, self._unpublished, stored=stored, is_terminal=is_terminal)
        if last < self._last and self._unstored:
            # The log came back empty: it gets again what readers could find nowhere else.
            self._log.append(claim.run_id, claim.attempt, stored + 1, self._unstored, stored=stored, is_terminal=is_terminal)

    def _publish_end(self, *, is_terminal: bool = True) -> None:
        give_up_at = self._clock.monotonic() + min(self._patience_s, FINAL_PATIENCE_S)
        while not self._publish(is_terminal=is_terminal):
            if self._clock.monotonic() >= give_up_at:
                logger.error("The end of run %s could not be published; readers find it in SQL.", self._claim.run_id)
                return
            time.sleep(FINAL_PAUSE_S)


def envelope_of(claim: Claim, file_url: FileURL) -> Envelope:
    """What the frames of the claim's run have in common."""
    return Envelope(
        run_id=claim.run_id,
        task_id=claim.task_id,
        workflow_id=claim.workflow_id,
        sequence_number=claim.sequence_number,
        end_user_id=claim.end_user_id,
        user=claim.user,
        file_url=file_url,
    )
