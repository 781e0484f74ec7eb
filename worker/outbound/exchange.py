"""One ``send`` under way: how long it may still take, and what a stop has to interrupt."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from functools import partial

from worker.engine.ports import Cancellation
from worker.outbound.errors import TimedOut


class Exchange:
    """Bounds every wait of a request, its redirects included."""

    def __init__(self, cancellation: Cancellation, total_s: float) -> None:
        self._cancellation = cancellation
        self._deadline = time.monotonic() + total_s
        self._lock = threading.Lock()
        self._interrupt: Callable[[], None] | None = None

    def remaining_s(self, timeout_s: float) -> float:
        """How long the next wait may take. Raises ``TimedOut`` once the whole time is used up."""
        left = min(timeout_s, self._deadline - time.monotonic())
        if left <= 0:
            raise TimedOut
        return left

    @contextmanager
    def waiting(self, interrupt: Callable[[], None]) -> Iterator[None]:
        """Around a wait: ``interrupt`` ends it from another thread when the run is cancelled."""
        with self._lock:
            self._interrupt = interrupt
        try:
            # Only now: whoever cancels from here on finds the interrupt, whoever did so before is seen by this check.
            self._cancellation.check()
            yield
        finally:
            with self._lock:
                self._interrupt = None
        self._cancellation.check()

    def using(self, sock: socket.socket, timeout_s: float) -> AbstractContextManager[None]:
        """Around one blocking call on a socket."""
        sock.settimeout(self.remaining_s(timeout_s))
        return self.waiting(partial(shut_down, sock))

    def interrupt(self) -> None:
        """End the wait under way, if there is one; the callback for ``Cancellation.on_cancel``."""
        # Under the lock, so that a socket is never shut down after its wait: it may serve another run by then.
        with self._lock:
            if self._interrupt is not None:
                self._interrupt()


def shut_down(sock: socket.socket) -> None:
    """Wake who waits on the socket; closing it would not."""
    with suppress(OSError):
        # Not the method of SSLSocket, which would drop the TLS state under the feet of the reader.
        socket.socket.shutdown(sock, socket.SHUT_RDWR)
