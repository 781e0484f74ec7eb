"""Threads for nodes that wait: shared by all runs of a process, kept for reuse (greenlets under the gevent pool)."""

from __future__ import annotations

import threading
from collections.abc import Callable
from queue import Empty, SimpleQueue

#: Seconds after which a thread without work ends.
IDLE_S = 30.0


class Threads:
    """Starts a thread only when none is idle. The bound is the runs': each has a few nodes in flight (limits.py).

    Daemon threads, not ``concurrent.futures``: that joins its threads at exit, so one hanging node would hold a worker's shutdown.
    """

    def __init__(self, idle_s: float = IDLE_S) -> None:
        self._idle_s = idle_s
        self._work: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self._lock = threading.Lock()
        self._idle = 0

    def submit(self, work: Callable[[], None]) -> None:
        """Run ``work`` on another thread; it must not raise."""
        with self._lock:
            if self._idle:
                self._idle -= 1
                self._work.put(work)
                return
        threading.Thread(target=self._serve, args=(work,), name="penstock-node", daemon=True).start()

    def _serve(self, work: Callable[[], None] | None) -> None:
        while work is not None:
            work()
            work = self._next()

    def _next(self) -> Callable[[], None] | None:
        with self._lock:
            self._idle += 1
        while True:
            try:
                return self._work.get(timeout=self._idle_s)
            except Empty:
                with self._lock:
                    # Without an idle place left, a submit has just counted on this thread: its work is about to arrive.
                    if self._idle:
                        self._idle -= 1
                        return None
