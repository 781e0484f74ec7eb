"""Work that a process does again and again beside its runs, on a thread of its own."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

logger = logging.getLogger(__name__)


class Periodic:
    """Calls ``work`` every ``interval_s`` seconds (None: never by itself), and at once when woken. The first interval comes first."""

    def __init__(self, name: str, interval_s: float | None, work: Callable[[], None]) -> None:
        self._name = name
        self._interval_s = interval_s
        self._work = work
        self._wake = threading.Event()
        self._is_stopped = False
        self._thread = threading.Thread(target=self._run, name=f"penstock-{name}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def wake(self) -> None:
        """Do the work now, in its thread. Never waits: signal handlers may call it."""
        self._wake.set()

    def stop(self) -> None:
        """End the thread after the call it is in, and wait for that."""
        self._is_stopped = True
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        while True:
            self._wake.wait(self._interval_s)
            self._wake.clear()
            if self._is_stopped:
                return
            try:
                self._work()
            except Exception:  # Runs depend on this thread: it outlives whatever one call of it meets.
                logger.exception("The %s met an error; it goes on.", self._name)
