"""Clients of a stage, each in a thread of its own."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType

import httpx

from tests.faults.harness import verdict
from tests.faults.harness.following import Followed, Follower
from tests.faults.harness.kinds import Kind
from tests.services.client import RUN
from tests.services.penstock import ImportedApp
from tests.services.sse import Message
from tests.services.stage import Stage

#: Clients at a time.
SEATS = 256


class Audience:
    """Every run gets a user of its own."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._numbers = itertools.count(1)
        self._pool = ThreadPoolExecutor(SEATS)
        self.http = httpx.Client(limits=httpx.Limits(max_connections=None), timeout=60)

    def follower(self, app: ImportedApp, patience_s: float = 60.0) -> Follower:
        return Follower(self.http, self._stage.urls, app, patience_s)

    def follow(self, app: ImportedApp, *queries: str, is_streaming: bool = True) -> list[Future[Followed]]:
        """Start a run for each query and follow it to its end."""
        follower = self.follower(app)
        return [self._pool.submit(follower.follow, Followed(query, self.new_user(), is_streaming)) for query in queries]

    def join(self, app: ImportedApp, query: str, run_id: str, user: str) -> Future[Followed]:
        """Follow a run that somebody else has started for ``user``, from its first event on."""
        return self._pool.submit(self.follower(app).follow, Followed(query, user, run_id=run_id))

    def submit(self, app: ImportedApp, query: str) -> str:
        """Start a run and leave; answers its id."""
        body = {"inputs": {"query": query}, "response_mode": "streaming", "user": self.new_user()}
        headers = {"Authorization": f"Bearer {app.api_key}"}
        with self.http.stream("POST", self._stage.urls()[0] + RUN, json=body, headers=headers) as response:
            response.raise_for_status()
            return response.headers["X-Workflow-Run-ID"]

    def read_again(self, app: ImportedApp, followed: Followed) -> list[Message]:
        """All events of a run, as somebody reads them who comes late."""
        return self.follower(app).follow(Followed(followed.query, followed.user, run_id=followed.run_id)).messages

    def new_user(self) -> str:
        return f"client {next(self._numbers)}"

    def __enter__(self) -> Audience:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        # Runs of a test that failed may wait for it; their clients must not.
        self._stage.counting.release_all()
        self._pool.shutdown()
        self.http.close()


def check(streams: Iterable[Future[Followed]], kind: Kind) -> Sequence[Followed]:
    """All of them are what they have to be."""
    seen = [stream.result() for stream in streams]
    assert {followed.query: list(verdict.problems(followed, kind)) for followed in seen} == {followed.query: [] for followed in seen}
    return seen
