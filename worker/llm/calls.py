"""One call of a model under way: how long each part of it may take, and what a stop has to interrupt."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from worker.engine.inbox import Inbox
from worker.engine.models import Stopper
from worker.outbound.errors import TimedOut
from worker.outbound.exchange import Exchange

#: Seconds for the end of a body behind the last event.
LAST_WORDS_S = 0.5


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds."""

    connect_s: float = 10.0
    #: From the request to the first piece of the answer; a model may think for long before it speaks.
    first_token_s: float = 300.0
    #: From one piece of the answer to the next.
    token_s: float = 120.0
    #: For the whole call with its retries.
    total_s: float = 1200.0


class Call:
    """Bounds every wait of a call. Network streams find it in ``CURRENT``: a connection outlives the call that opened it."""

    def __init__(self, cancellation: Stopper | None, timeouts: Timeouts) -> None:
        # An inbox of its own that nobody writes to: what it guards cannot be stopped.
        self.cancellation: Stopper = cancellation or Inbox()
        self.timeouts = timeouts
        self.exchange = Exchange(self.cancellation, timeouts.total_s)
        self.begun_at = time.monotonic()
        self.first_token_at: float | None = None
        self._patience_until = self.begun_at + timeouts.first_token_s

    def begin_attempt(self) -> None:
        self._patience_until = time.monotonic() + self.timeouts.first_token_s

    def heard(self) -> None:
        """A piece of the answer has arrived. Anything less, such as a comment of the stream, buys a server no time."""
        now = time.monotonic()
        if self.first_token_at is None:
            self.first_token_at = now
        self._patience_until = now + self.timeouts.token_s

    def hurry(self) -> None:
        """What is still to come is not worth a wait."""
        self._patience_until = time.monotonic() + LAST_WORDS_S

    @property
    def has_begun(self) -> bool:
        """Some of the answer is out, so that it cannot be asked for again."""
        return self.first_token_at is not None

    def patience_s(self) -> float:
        """How long the next read may take. Raises ``TimedOut``."""
        left = self._patience_until - time.monotonic()
        if left <= 0:
            raise TimedOut
        return left

    def what_timed_out(self) -> str:
        if time.monotonic() - self.begun_at >= self.timeouts.total_s:
            return f"The whole call took longer than {self.timeouts.total_s:g} seconds."
        if self.has_begun:
            return f"The model fell silent for {self.timeouts.token_s:g} seconds in the middle of its answer."
        return f"The model did not begin to answer within {self.timeouts.first_token_s:g} seconds."

    @contextmanager
    def as_current(self) -> Iterator[None]:
        token = CURRENT.set(self)
        try:
            yield
        finally:
            CURRENT.reset(token)

    @contextmanager
    def stoppable(self) -> Iterator[None]:
        """While it lasts, a stop of the run ends the wait under way."""
        forget = self.cancellation.on_cancel(self.exchange.interrupt)
        try:
            self.cancellation.check()
            yield
        finally:
            forget()


#: The call that this thread, or greenlet, is in.
CURRENT: ContextVar[Call] = ContextVar("penstock_model_call")
