"""A run's mail: what its nodes finished and what it is told from outside. Also how nodes in flight learn that they should end."""

from __future__ import annotations

import threading
from collections.abc import Callable
from enum import Enum
from queue import Empty, SimpleQueue
from typing import Any

from worker.engine.errors import RunDrained, RunFenced, RunStopped


class Command(Enum):
    """A request to a run, in the order in which a later one overrules an earlier one."""

    #: Start no further node; hand the run over when those in flight are done or the grace time is up.
    DRAIN = 1
    #: End as stopped.
    STOP = 2
    #: Another worker owns the run: end without a word.
    FENCE = 3


SIGNALS: dict[Command, type[BaseException]] = {Command.DRAIN: RunDrained, Command.STOP: RunStopped, Command.FENCE: RunFenced}


class Inbox:
    """Mail in, from any thread; read by the run's loop alone. It is the ``Cancellation`` of the run's nodes."""

    def __init__(self) -> None:
        self._mail: SimpleQueue[Any] = SimpleQueue()
        self._lock = threading.Lock()
        self._is_cancelled = False
        self._signal: type[BaseException] = RunStopped
        self._callbacks: dict[int, Callable[[], None]] = {}
        self._next_callback = 0

    # ---- from outside

    def stop(self) -> None:
        """End the run as stopped, now."""
        self._command(Command.STOP)

    def fence(self) -> None:
        """The run belongs to another worker: end it here without writing or publishing anything."""
        self._command(Command.FENCE)

    def drain(self, grace_s: float = 0.0) -> None:
        """Hand the run over: nodes in flight get ``grace_s`` seconds to finish, no further one starts."""
        self._mail.put((Command.DRAIN, grace_s))

    def _command(self, command: Command) -> None:
        self._mail.put((command, 0.0))
        self.cancel(command)

    # ---- the run's loop

    def put(self, item: Any) -> None:
        self._mail.put(item)

    @property
    def has_mail(self) -> bool:
        return not self._mail.empty()

    def get(self, timeout_s: float | None) -> Any | None:
        """The next piece of mail; None after ``timeout_s`` seconds without any."""
        try:
            return self._mail.get(timeout=None if timeout_s is None else max(timeout_s, 0.0))
        except Empty:
            return None

    def cancel(self, command: Command = Command.STOP) -> None:
        """Tell the nodes in flight to end; the callbacks run in this thread."""
        with self._lock:
            self._signal = SIGNALS[command]
            callbacks, self._callbacks = list(self._callbacks.values()), {}
            self._is_cancelled = True
        for callback in callbacks:
            callback()

    # ---- Cancellation

    @property
    def is_cancelled(self) -> bool:
        return self._is_cancelled

    def check(self) -> None:
        if self._is_cancelled:
            raise self._signal

    def on_cancel(self, callback: Callable[[], None]) -> Callable[[], None]:
        with self._lock:
            if not self._is_cancelled:
                key = self._next_callback = self._next_callback + 1
                self._callbacks[key] = callback
                return lambda: self._forget(key)
        callback()
        return _nothing

    def wait(self, timeout_s: float) -> bool:
        cancelled = threading.Event()
        forget = self.on_cancel(cancelled.set)
        try:
            return cancelled.wait(timeout_s)
        finally:
            forget()

    def _forget(self, key: int) -> None:
        with self._lock:
            self._callbacks.pop(key, None)


def _nothing() -> None:
    """What there is to remove when a callback ran at once."""
