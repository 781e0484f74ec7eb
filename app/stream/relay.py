"""One reader's way through the events of a run: each once, in order, whatever happens to Redis in between.

The news of pub/sub carries the events of a run that goes well. Whoever joins late, falls behind or misses something reads the log in
Redis, and from SQL what the log does not have. SSE, WebSocket and blocking calls are three skins of it (design.md invariants 4 and 8).
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from redis import RedisError

from worker.bus.ports import EventLogPort, LogEntry, News, SubscriptionPort
from worker.store.errors import StorageUnavailable

log = logging.getLogger(__name__)

#: Entries that are read at a time at most, and about how many bytes: a reader that has everything before it, and reads slowly, must
#: not cost memory (reliability.md section 1.7).
PAGE = 200
PAGE_BYTES = 256 * 1024

#: Seconds of silence after which the log is asked whether anything was missed. Each further look takes twice as long, up to the longest,
#: and asks SQL too: 5,000 streams that looked every 4 s took 60 % of a processor, and news took seconds to reach them.
FIRST_LOOK_S = 4.0
LONGEST_LOOK_S = 32.0

#: Seconds between two looks into SQL while Redis is away.
LOOK_WITHOUT_REDIS_S = 2.0

#: How the frame begins that says that the run waits for people (api-contract.md section 4.4).
PAUSE = b'{"event":"workflow_paused",'


@dataclass(frozen=True, slots=True)
class Past:
    """What SQL knows of a run's events."""

    entries: list[LogEntry]
    #: The run has ended and all of its events are stored: above the last of ``entries`` there is nothing, if these are empty.
    is_complete: bool


class History(Protocol):
    def read(self, after: int, count: int) -> Past:
        """About ``count`` events above number ``after``. Raises ``APIError`` if the run is gone, ``StorageUnavailable``."""

    def is_paused_at(self, number: int) -> bool:
        """The run waits for people since event ``number``: nothing follows before they answer. Raises ``StorageUnavailable``."""


class Relay:
    """Iterate over it: ``LogEntry`` for each event above ``after``, None where a keep-alive is due.

    It ends behind the event that ends the run, or when it is released. ``is_new``: nothing can have happened before the subscription
    was made, so there is nothing to catch up with. ``ends_on_pause``: it also ends behind a pause of the run; one that is over is
    passed by, except in a new run, whose reader is told the same however soon somebody answers.
    """

    def __init__(
        self,
        run_id: str,
        subscription: SubscriptionPort,
        event_log: EventLogPort,
        history: History,
        *,
        after: int = 0,
        is_new: bool = False,
        ends_on_pause: bool = True,
        ping_interval_s: float = 10.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._run_id = run_id
        self._subscription = subscription
        self._log = event_log
        self._history = history
        self._is_new = is_new
        self._ends_on_pause = ends_on_pause
        self._clock = clock
        self._ping_interval_s = ping_interval_s
        #: Number of the last event that was handed out.
        self._cursor = after
        #: Entries to read at a time, by the size of those read so far.
        self._count = 1
        self._log_is_down = False
        #: Nothing follows: the run has ended, or has been paused and the reader does not wait for the rest.
        self.has_ended = False
        self._next_ping = clock() + ping_interval_s
        #: Looks since the last news.
        self._looks = 0
        self._next_look = clock() + FIRST_LOOK_S
        self.is_released = False

    def release(self) -> None:
        """End the iteration soon, from any thread, although the run goes on."""
        self.is_released = True
        self._subscription.lag()

    def close(self) -> None:
        self._subscription.close()

    def __iter__(self) -> Iterator[LogEntry | None]:
        if not self._is_new:
            yield from self._catch_up()
        while not self._is_over:
            yield from self._hear(self._subscription.get(self._patience_s()))
            if not self._is_over and self._is_ping_due():
                yield None

    @property
    def _is_over(self) -> bool:
        return self.has_ended or self.is_released

    def _patience_s(self) -> float:
        return max(min(self._next_ping, self._next_look) - self._clock(), 0.0)

    def _is_ping_due(self) -> bool:
        """At 10 s, 20 s ... of stream age, whatever else was sent (api-contract.md section 4.1)."""
        now = self._clock()
        if now < self._next_ping:
            return False
        missed = int((now - self._next_ping) / self._ping_interval_s)
        self._next_ping += (missed + 1) * self._ping_interval_s
        return True

    def _hear(self, news: News | None) -> Iterator[LogEntry]:
        if self.is_released:
            return
        if news is None:
            if self._clock() >= self._next_look:
                yield from self._look()
            return
        self._looks = 0
        if news.frames is not None and news.first <= self._cursor + 1:
            self._expect_news()
            yield from self._advance(entries_of(news))
        else:
            yield from self._catch_up()

    def _look(self) -> Iterator[LogEntry]:
        """After silence: news may have got lost, or Redis may be gone. Asking the log costs little."""
        self._looks += 1
        if self._read_log() or self._log_is_down or self._looks > 1:
            yield from self._catch_up()
        else:
            self._expect_news()

    def _catch_up(self) -> Iterator[LogEntry]:
        """Everything that log and SQL have above the cursor."""
        has_more = True
        while has_more and not self._is_over:
            count = self._count
            page = self._read_log()
            if not page or page[0].number > self._cursor + 1:
                yield from self._recall()
            before = self._cursor
            yield from self._advance(page)
            has_more = len(page) == count and self._cursor > before
        self._expect_news()

    def _recall(self) -> Iterator[LogEntry]:
        """What SQL has above the cursor."""
        has_more = True
        while has_more and not self._is_over:
            past = self._read_history()
            before = self._cursor
            yield from self._advance(past.entries)
            has_more = self._cursor > before
            self.has_ended |= past.is_complete and not past.entries

    def _advance(self, entries: Iterable[LogEntry]) -> Iterator[LogEntry]:
        """Those of ``entries`` that come next; what was handed out already, or follows a gap, is left out."""
        for entry in entries:
            is_next = entry.number == self._cursor + 1
            if entry.number <= self._cursor + 1:
                self.has_ended |= entry.is_terminal
            if is_next:
                self._cursor = entry.number
                self.has_ended |= self._is_last_for_now(entry)
                yield entry
            if self._is_over:
                return

    def _is_last_for_now(self, entry: LogEntry) -> bool:
        if not self._ends_on_pause or not entry.frame.startswith(PAUSE):
            return False
        try:
            return self._is_new or self._history.is_paused_at(entry.number)
        except StorageUnavailable as error:
            # Who comes back finds out; who waited for a pause that holds would not learn of it.
            log.warning("It cannot be told whether run %s is still paused: %s", self._run_id, error)
            return True

    def _expect_news(self) -> None:
        by_the_log_s = min(FIRST_LOOK_S * 2**self._looks, LONGEST_LOOK_S)
        self._next_look = self._clock() + (LOOK_WITHOUT_REDIS_S if self._log_is_down else by_the_log_s)

    def _measure(self, entries: Sequence[LogEntry]) -> None:
        if entries:
            size = sum(len(entry.frame) for entry in entries)
            # At most double: what follows many small events may be large ones.
            self._count = min(max(PAGE_BYTES * len(entries) // max(size, 1), 1), 2 * len(entries), PAGE)

    def _read_log(self) -> list[LogEntry]:
        try:
            page = self._log.read(self._run_id, self._cursor, self._count)
        except RedisError as error:
            log.warning("The event log of run %s cannot be read: %s", self._run_id, error)
            self._log_is_down = True
            return []
        self._log_is_down = False
        self._measure(page)
        return page

    def _read_history(self) -> Past:
        try:
            past = self._history.read(self._cursor, self._count)
        except StorageUnavailable as error:
            log.warning("The events of run %s cannot be read from SQL: %s", self._run_id, error)
            return Past([], is_complete=False)
        self._measure(past.entries)
        return past


def entries_of(news: News) -> list[LogEntry]:
    """The events that came with the news."""
    frames = news.frames or ()
    return [LogEntry(number, frame, news.is_terminal and number == news.last) for number, frame in enumerate(frames, news.first)]


def position_now(event_log: EventLogPort, run_id: str, stored: int) -> int:
    """Where a reader begins who wants what happens from now on: behind the newest event, but before the one that ends the run.

    ``stored``: number of the last event in SQL, so that not the whole log is read. For use after subscribing.
    """
    newest = stored
    try:
        while page := event_log.read(run_id, newest, PAGE):
            newest = page[-1].number
            if page[-1].is_terminal:
                return newest - 1
    except RedisError as error:
        log.warning("The event log of run %s cannot be read: %s", run_id, error)
    return newest
