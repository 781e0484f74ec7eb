"""A mixed load at a steady pace: many clients, each of which follows its run to the end."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import httpx

from tests.faults.harness import verdict
from tests.faults.harness.following import Followed, Follower, NotFollowed
from tests.faults.harness.kinds import Kind
from tests.faults.harness.verdict import Problem
from tests.services.penstock import ImportedApp

#: Every so many runs one is a blocking call.
CALL_EVERY = 3


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one submission, without its events: there may be very many."""

    kind: Kind
    query: str
    run_id: str
    problems: Sequence[Problem]
    is_streaming: bool
    streams: int
    refusals: int
    was_found: bool
    took_s: float
    longest_gap_s: float


class Load:
    """``rate`` runs a second, but never more than ``clients`` at a time: what comes on top waits, and so do the submissions after it."""

    def __init__(
        self,
        kinds: Sequence[Kind],
        apps: Sequence[ImportedApp],
        urls: Callable[[], Sequence[str]],
        *,
        rate: float,
        clients: int,
        patience_s: float,
    ) -> None:
        self._kinds = kinds
        self._rate = rate
        self._room = threading.Semaphore(clients)
        self._pool = ThreadPoolExecutor(clients)
        self._http = httpx.Client(limits=httpx.Limits(max_connections=None, max_keepalive_connections=clients))
        self._followers = [Follower(self._http, urls, app, patience_s) for app in apps]
        #: Of every submission so far, in order.
        self._outcomes: list[Future[Outcome]] = []

    @property
    def submitted(self) -> int:
        return len(self._outcomes)

    @property
    def open(self) -> int:
        return sum(not outcome.done() for outcome in self._outcomes)

    def submit(self, most: int | None = None, *, for_s: float = math.inf) -> None:
        """Submit until there are ``most`` runs or the time is over."""
        began = time.monotonic()
        while self.submitted != most and time.monotonic() < began + for_s:
            due_at = time.monotonic() + 1 / self._rate
            self._room.acquire()
            submission = self._pool.submit(self._follow, self.submitted)
            submission.add_done_callback(lambda done: self._room.release())
            self._outcomes.append(submission)
            time.sleep(max(due_at - time.monotonic(), 0.0))

    def outcomes(self) -> list[Outcome]:
        """Waits until every run has ended or was given up."""
        return [submission.result() for submission in self._outcomes]

    def __enter__(self) -> Load:
        return self

    def __exit__(self, *reason: object) -> None:
        self._pool.shutdown(cancel_futures=True)
        self._http.close()

    def _follow(self, number: int) -> Outcome:
        which = number % len(self._kinds)
        # Each kind gets its turn at both modes.
        is_streaming = (number // len(self._kinds) + which) % CALL_EVERY != 0
        followed = Followed(f"case {number}", f"client {number}", is_streaming)
        try:
            self._followers[which].follow(followed)
            problems = list(verdict.problems(followed, self._kinds[which]))
        except NotFollowed as error:
            problems = [Problem("lost", str(error))]
        return outcome(followed, self._kinds[which], problems)


def outcome(followed: Followed, kind: Kind, problems: Sequence[Problem]) -> Outcome:
    return Outcome(
        kind=kind,
        query=followed.query,
        run_id=followed.run_id,
        problems=problems,
        is_streaming=followed.is_streaming,
        streams=followed.streams,
        refusals=followed.refusals,
        was_found=followed.was_found,
        took_s=followed.took_s,
        longest_gap_s=followed.longest_gap_s,
    )
