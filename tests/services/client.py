"""A plain client of the Workflow App API, for tests that care about runs and not about bytes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any

import httpx

Event = dict[str, Any]

RUN = "/v1/workflows/run"


class Client:
    """One key and one `user` against one API instance."""

    def __init__(self, url: str, api_key: str, user: str = "tester") -> None:
        self.url = url
        self.api_key = api_key
        self.user = user
        self.http = httpx.Client(base_url=url, headers={"Authorization": f"Bearer {api_key}"}, timeout=90)

    def run(self, inputs: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
        """A blocking run: the whole answer. Raises ``httpx.HTTPStatusError`` unless it is 200."""
        answer = self.http.post(RUN, json=self._body("blocking", inputs, more))
        answer.raise_for_status()
        return answer.json()  # type: ignore[no-any-return]

    def stream(self, inputs: dict[str, Any] | None = None, **more: Any) -> list[Event]:
        """A streaming run: every event up to the end of the stream."""
        with self.open(inputs, **more) as events:
            return list(events)

    @contextmanager
    def open(self, inputs: dict[str, Any] | None = None, **more: Any) -> Iterator[Iterator[Event]]:
        """A streaming run whose events the caller reads one by one; leaving the block hangs up."""
        with self.http.stream("POST", RUN, json=self._body("streaming", inputs, more)) as response:
            yield self._events(response)

    def start(self, inputs: dict[str, Any] | None = None, **more: Any) -> str:
        """An async run: its id."""
        answer = self.http.post(RUN, json=self._body("async", inputs, more))
        answer.raise_for_status()
        run_id: str = answer.json()["workflow_run_id"]
        return run_id

    def resume(self, run_id: str, **more: Any) -> dict[str, Any]:
        """A run that goes on from this one, blocking unless more is said: the whole answer."""
        answer = self._resume(run_id, more)
        answer.raise_for_status()
        return answer.json()  # type: ignore[no-any-return]

    def stream_resumed(self, run_id: str, **more: Any) -> list[Event]:
        """The same, streaming: every event up to the end of the stream."""
        return list(self._events(self._resume(run_id, {**more, "response_mode": "streaming"})))

    def _resume(self, run_id: str, more: dict[str, Any]) -> httpx.Response:
        return self.http.post(f"{RUN}/{run_id}/resume", json={"user": self.user, **more})

    @contextmanager
    def events(self, run_id: str, **query: Any) -> Iterator[Iterator[Event]]:
        """The stream of a run that exists already."""
        with self.http.stream("GET", f"/v1/workflow/{run_id}/events", params={"user": self.user, **query}) as response:
            yield self._events(response)

    def detail(self, run_id: str) -> dict[str, Any]:
        answer = self.http.get(f"{RUN}/{run_id}")
        answer.raise_for_status()
        return answer.json()  # type: ignore[no-any-return]

    def stop(self, task_id: str, user: str | None = None) -> httpx.Response:
        return self.http.post(f"/v1/workflows/tasks/{task_id}/stop", json={"user": user or self.user})

    def answer(self, form_token: str, action: str, inputs: dict[str, Any] | None = None) -> httpx.Response:
        """Answer a form that a run waits for."""
        body = {"inputs": inputs or {}, "action": action, "user": self.user}
        return self.http.post(f"/v1/form/human_input/{form_token}", json=body)

    def upload(self, name: str, content: bytes, mime_type: str) -> dict[str, Any]:
        answer = self.http.post("/v1/files/upload", files={"file": (name, content, mime_type)}, data={"user": self.user})
        answer.raise_for_status()
        return answer.json()  # type: ignore[no-any-return]

    def close(self) -> None:
        self.http.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def _body(self, mode: str, inputs: dict[str, Any] | None, more: dict[str, Any]) -> dict[str, Any]:
        return {"inputs": inputs or {}, "response_mode": mode, "user": self.user, **more}

    def _events(self, response: httpx.Response) -> Iterator[Event]:
        if response.status_code != 200:
            response.read()
            response.raise_for_status()
        for line in response.iter_lines():
            if line.startswith("data: "):
                yield json.loads(line.removeprefix("data: "))
