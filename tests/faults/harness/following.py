"""A client as one should be: it submits a run once and follows it to its end, whichever instance answers and however many of them die."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx

from tests.services.client import RUN
from tests.services.penstock import ImportedApp
from tests.services.sse import Message, parse

#: Streams are never silent for longer than 10 s (api-contract.md section 4.1); blocking calls are, until their run has ended.
READ_TIMEOUT_S = 30.0
CALL_TIMEOUT_S = 120.0

#: Between two tries.
PAUSE_S = 0.1

#: Seconds for which a run whose submission had no answer may still turn up in the log of runs.
DOUBT_S = 1.0

#: The events that end a stream.
ENDS = ("workflow_finished", "error")


class NotFollowed(Exception):
    """A run was refused in a way that no fault explains, or did not end in time."""


@dataclass(slots=True)
class Followed:
    """What a client saw of one run."""

    query: str
    #: Must have no other runs: by its name a run is found whose id the client does not know.
    user: str
    is_streaming: bool = True
    #: Empty until the client knows it.
    run_id: str = ""
    #: All events, over all connections; of a blocking call only those that were read after it was cut.
    messages: list[Message] = field(default_factory=list)
    #: The answer of a blocking call that was not cut.
    answer: dict[str, Any] | None = None
    #: Streams that were opened.
    streams: int = 0
    #: Submissions that were answered 503.
    refusals: int = 0
    #: The run was kept although its submission had no answer, or 503.
    was_found: bool = False
    #: Seconds from the first submission to the end.
    took_s: float = 0.0
    #: Longest time from the end of a stream to the beginning of the next, in seconds.
    longest_gap_s: float = 0.0
    #: Monotonic seconds at which the last stream broke.
    broke_at: float | None = None
    #: Monotonic seconds until which a run without an answer is looked for.
    doubtful_until: float | None = None

    @property
    def last_event_id(self) -> str:
        return self.messages[-1].last_event_id if self.messages else "0"

    @property
    def has_ended(self) -> bool:
        return self.answer is not None or bool(self.messages and self.messages[-1].json["event"] in ENDS)

    @property
    def result(self) -> dict[str, Any]:
        """``data`` of the end, as stream or answer told it: ``status``, ``outputs``, ``error`` and more."""
        last = self.messages[-1].json if self.answer is None else self.answer
        result: dict[str, Any] = last.get("data", last)
        return result

    def stream_began(self) -> None:
        self.streams += 1
        if self.broke_at is not None:
            self.longest_gap_s = max(self.longest_gap_s, time.monotonic() - self.broke_at)

    def stream_ended(self) -> None:
        self.broke_at = time.monotonic()

    def doubt(self) -> None:
        """The submission had no answer that says what became of it."""
        self.doubtful_until = time.monotonic() + DOUBT_S


class Follower:
    """Thread-safe: one follower, and one ``http`` client, serve any number of runs. ``urls`` are the instances that live at the moment."""

    def __init__(self, http: httpx.Client, urls: Callable[[], Sequence[str]], app: ImportedApp, patience_s: float = 120.0) -> None:
        self._http = http
        self._urls = urls
        self._headers = {"Authorization": f"Bearer {app.api_key}"}
        self._patience_s = patience_s
        self._turn = itertools.count()

    def follow(self, followed: Followed) -> Followed:
        """One run from its submission, or from where it was left, to its end; answers the same object. Raises ``NotFollowed``."""
        began = time.monotonic()
        while not followed.has_ended:
            if time.monotonic() > began + self._patience_s:
                what = followed.run_id or f"A run of {followed.user}"
                raise NotFollowed(f"{what} did not end within {self._patience_s:g} s; it is at event {followed.last_event_id}.")
            self._go_on(followed)
        followed.took_s = time.monotonic() - began
        return followed

    def resume(self, followed: Followed) -> None:
        """Read on behind the last event, from one more connection, to its end. Raises ``httpx.TransportError`` if it breaks."""
        self._read(followed, "GET", f"/v1/workflow/{followed.run_id}/events", headers={"Last-Event-ID": followed.last_event_id})

    def _go_on(self, followed: Followed) -> None:
        try:
            self._take_step(followed)
        except httpx.ConnectError:
            time.sleep(PAUSE_S)
        except httpx.TransportError:
            if not followed.run_id:
                followed.doubt()

    def _take_step(self, followed: Followed) -> None:
        if followed.run_id:
            self.resume(followed)
        elif followed.doubtful_until is not None:
            self._look_for(followed)
        elif followed.is_streaming:
            self._read(followed, "POST", RUN, json=self._order(followed))
        else:
            self._call(followed)

    def _order(self, followed: Followed) -> dict[str, Any]:
        mode = "streaming" if followed.is_streaming else "blocking"
        return {"inputs": {"query": followed.query}, "response_mode": mode, "user": followed.user}

    def _read(self, followed: Followed, method: str, path: str, *, headers: dict[str, str] | None = None, json: Any = None) -> None:
        """Take what one connection has of the run's events."""
        sent = {**self._headers, **(headers or {})}
        query = {"user": followed.user, "event_ids": "true"}
        with self._http.stream(method, self._url() + path, params=query, json=json, headers=sent, timeout=READ_TIMEOUT_S) as response:
            if not self._is_taken(response, followed):
                return
            followed.run_id = response.headers["X-Workflow-Run-ID"]
            followed.stream_began()
            try:
                for message in parse(response.iter_raw(), followed.last_event_id):
                    followed.messages.append(message)
            finally:
                followed.stream_ended()

    def _call(self, followed: Followed) -> None:
        url = self._url() + RUN
        response = self._http.post(url, json=self._order(followed), headers=self._headers, timeout=CALL_TIMEOUT_S)
        if self._is_taken(response, followed):
            followed.answer = response.json()
            followed.run_id = response.json()["workflow_run_id"]

    def _is_taken(self, response: httpx.Response, followed: Followed) -> bool:
        """False: not now. Raises ``NotFollowed`` if it is refused for good."""
        if response.status_code == 200:
            return True
        response.read()
        if response.status_code != 503:
            raise NotFollowed(f"{followed.user} was answered {response.status_code}: {response.text[:500]}")
        followed.refusals += 1
        time.sleep(PAUSE_S)
        if not followed.run_id:
            # A call is answered 503 too when its instance must end before the run does.
            followed.doubt()
        return False

    def _look_for(self, followed: Followed) -> None:
        """Find the run in the log of runs, by its user."""
        assert followed.doubtful_until is not None
        asked = {"created_by_end_user_session_id": followed.user, "limit": "1"}
        answer = self._http.get(self._url() + "/v1/workflows/logs", params=asked, headers=self._headers, timeout=READ_TIMEOUT_S)
        if answer.status_code == 200 and (found := answer.json()["data"]):
            followed.run_id, followed.was_found = found[0]["workflow_run"]["id"], True
        elif answer.status_code == 200 and time.monotonic() > followed.doubtful_until:
            followed.doubtful_until = None
        else:
            time.sleep(PAUSE_S)

    def _url(self) -> str:
        """The next instance; waits while there is none."""
        while not (urls := self._urls()):
            time.sleep(PAUSE_S)
        return urls[next(self._turn) % len(urls)]
