"""Makes speech of a text while the text is being written (api-contract.md section 7)."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial

from worker.engine.errors import NodeError, RunDrained, RunStopped
from worker.engine.inbox import Inbox
from worker.engine.models import Stopper
from worker.speech.sentences import SentenceBatches

logger = logging.getLogger(__name__)

#: Requests to the model at a time.
IN_FLIGHT = 3

#: MP3 of a text, piece by piece. Raises ``NodeError``, and the signal of the cancellation.
Synthesise = Callable[[str, Stopper], Iterator[bytes]]


@dataclass(slots=True)
class Utterance:
    """A batch of sentences, and what of its audio nobody has taken yet."""

    text: str
    audio: deque[bytes] = field(default_factory=deque)
    is_started: bool = False
    is_complete: bool = False


class Speaker:
    """Used by one thread, the run's loop; the model is asked on others, which ``submit`` starts.

    A batch that cannot be spoken is logged and left out: speech never decides anything about a run. To end it, cancel ``inbox``.
    """

    def __init__(self, synthesise: Synthesise, submit: Callable[[Callable[[], None]], None]) -> None:
        self._synthesise = synthesise
        self._submit = submit
        self._sentences = SentenceBatches()
        self._changed = threading.Condition()
        #: In the order of the text, those whose audio was not taken to its end.
        self._utterances: deque[Utterance] = deque()
        self._in_flight = 0
        #: The cancellation of the requests; not that of the run, which may be over long before.
        self.inbox = Inbox()
        self.inbox.on_cancel(self._fall_silent)

    def hear(self, text: str) -> None:
        self._say(self._sentences.add(text))

    def end_text(self) -> None:
        """Nothing follows: speak what was held back."""
        self._say(self._sentences.rest())

    @property
    def is_done(self) -> bool:
        """Everything said so far was taken, or nobody waits for it any more."""
        with self._changed:
            return not self._utterances

    def take(self) -> list[bytes]:
        """Audio that comes next in the text, as far as it is there."""
        with self._changed:
            return list(self._ready())

    def wait(self, timeout_s: float) -> list[bytes]:
        """The same; waits up to ``timeout_s`` seconds until there is some, or everything is done."""
        with self._changed:
            self._changed.wait_for(self._has_news, timeout_s)
            return list(self._ready())

    def _fall_silent(self) -> None:
        with self._changed:
            self._utterances.clear()
            self._changed.notify_all()

    def _say(self, text: str) -> None:
        if text.strip():
            with self._changed:
                if not self.inbox.is_cancelled:
                    self._utterances.append(Utterance(text))
                    self._start_next()

    def _start_next(self) -> None:
        waiting = next((utterance for utterance in self._utterances if not utterance.is_started), None)
        if waiting is not None and self._in_flight < IN_FLIGHT:
            waiting.is_started = True
            self._in_flight += 1
            self._submit(partial(self._make, waiting))

    def _has_news(self) -> bool:
        for utterance in self._utterances:
            if utterance.audio or not utterance.is_complete:
                return bool(utterance.audio)
        return True

    def _ready(self) -> Iterator[bytes]:
        while self._utterances:
            first = self._utterances[0]
            while first.audio:
                yield first.audio.popleft()
            if not first.is_complete:
                return
            self._utterances.popleft()

    def _make(self, utterance: Utterance) -> None:
        try:
            self._fill(utterance)
        except (RunStopped, RunDrained):
            logger.debug("A text of %d characters is not spoken any more.", len(utterance.text))
        except NodeError as error:
            logger.warning("A text of %d characters could not be spoken: %s", len(utterance.text), error)
        except Exception:
            # Whatever a model's client may raise, the run must not wait for this batch.
            logger.exception("A text of %d characters could not be spoken.", len(utterance.text))
        finally:
            with self._changed:
                utterance.is_complete = True
                self._in_flight -= 1
                self._start_next()
                self._changed.notify_all()

    def _fill(self, utterance: Utterance) -> None:
        for audio in self._synthesise(utterance.text, self.inbox):
            self.inbox.check()
            with self._changed:
                utterance.audio.append(audio)
                self._changed.notify_all()
