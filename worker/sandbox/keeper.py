"""Keeps one zygote: it is started with the first execution, and again when it was lost."""

from __future__ import annotations

import threading
from collections.abc import Callable

from worker.engine.errors import NodeError
from worker.engine.ports import Cancellation
from worker.sandbox.bounds import Bounds
from worker.sandbox.conversation import Answer, converse
from worker.sandbox.outcome import CODE_ERROR
from worker.sandbox.zygote import Options, Zygote, ZygoteLost

#: How often an execution is tried whose zygote is lost. It has had no effects, unless it may use the network, so it may run again.
TRIES = 2


class ZygoteKeeper:
    def __init__(self, options: Callable[[], Options]) -> None:
        self._options = options
        self._lock = threading.Lock()
        self._zygote: Zygote | None = None
        self._is_closed = False

    def converse(self, message: bytes, bounds: Bounds, cancellation: Cancellation) -> Answer:
        """Have a request executed. Raises ``NodeError`` if there is no zygote to do it."""
        reason = ""
        for _ in range(TRIES):
            zygote = self.ready()
            try:
                return converse(zygote, message, bounds, cancellation)
            except ZygoteLost as error:
                reason = str(error)
                self._discard(zygote)
                cancellation.check()
        raise NodeError(f"The sandbox {reason}.", error_type=CODE_ERROR)

    def ready(self) -> Zygote:
        """The zygote, started if there is none. Raises ``NodeError``."""
        with self._lock:
            if self._is_closed:
                raise NodeError("The sandbox is shut down.", error_type=CODE_ERROR)
            if self._zygote is None:
                try:
                    self._zygote = Zygote(self._options())
                except ZygoteLost as error:
                    raise NodeError(f"The sandbox {error}.", error_type=CODE_ERROR) from error
            return self._zygote

    def close(self) -> None:
        """End the zygote and all executions."""
        with self._lock:
            self._is_closed = True
        if self._zygote is not None:
            self._discard(self._zygote)

    def _discard(self, zygote: Zygote) -> None:
        with self._lock:
            if self._zygote is zygote:
                self._zygote = None
        zygote.close()
