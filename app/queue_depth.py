"""How many runs wait for a worker, in the whole deployment: beyond ``PENSTOCK_MAX_QUEUED`` new ones are refused."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

from app.errors import Refused
from worker.store.errors import StorageUnavailable
from worker.store.limits import waiting_runs
from worker.store.session import Database

log = logging.getLogger(__name__)

#: Seconds for which a count is used, and beyond which it says nothing any more.
FRESH_S = 1.0
STALE_S = 10.0

#: Seconds for which a count may refuse requests: workers may have taken many runs since.
REFUSING_S = 0.1


class Permit(Protocol):
    is_used: bool


class QueueDepth:
    """Counts in SQL once a second at most, and beside the requests as long as the queue is less than half full.

    In between, the runs that this process lets in are added, so that it never lets in more than there is room for; what others let in
    within a second comes on top. A full queue is counted more often, so that room that workers make is found.
    """

    def __init__(self, database: Database, limit: int, clock: Callable[[], float] = time.monotonic) -> None:
        """``limit``: 0 for any number. ``clock``: seconds."""
        self._database = database
        self._limit = limit
        self._clock = clock
        self._lock = threading.Lock()
        #: Runs that waited when they were counted, and those let in since.
        self._known = 0
        #: Of those let in, the ones that are just being stored: a count may miss them.
        self._entering = 0
        self._counted_at = -math.inf
        self._is_counting = False

    @contextmanager
    def place(self, permit: Permit) -> Iterator[None]:
        """A place in the queue, kept if the permit is used. Raises ``Refused``, ``StorageUnavailable``."""
        if not self._limit:
            yield
            return
        self._look()
        self._enter()
        try:
            yield
        finally:
            self._leave(permit.is_used)

    def _look(self) -> None:
        with self._lock:
            age_s = self._clock() - self._counted_at
            is_due = age_s >= (REFUSING_S if self._known >= self._limit else FRESH_S)
            if not is_due or self._is_counting:
                return
            self._is_counting = True
            is_far = age_s < STALE_S and self._known < self._limit / 2
        if is_far:
            threading.Thread(target=self._count_quietly, name="queue-depth", daemon=True).start()
        else:
            self._count()

    def _count(self) -> None:
        try:
            with self._database.read() as session:
                found = waiting_runs(session, self._limit)
            with self._lock:
                self._known = found + self._entering
                self._counted_at = self._clock()
        finally:
            self._is_counting = False

    def _count_quietly(self) -> None:
        try:
            self._count()
        except StorageUnavailable as error:
            log.warning("The runs that wait for a worker could not be counted: %s", error)

    def _enter(self) -> None:
        with self._lock:
            is_full = self._known >= self._limit
            self._known += not is_full
            self._entering += not is_full
        if is_full:
            most = f"As many runs wait for a worker as this deployment lets wait: {self._limit} (PENSTOCK_MAX_QUEUED)."
            raise Refused("service_unavailable", f"{most} Please try again later.")

    def _leave(self, is_used: bool) -> None:
        with self._lock:
            self._entering -= 1
            self._known -= not is_used
