"""Ids and values that exist, so that requests get past the look-up of what they are about."""

from __future__ import annotations

from collections import defaultdict, deque
from random import Random
from typing import Any

#: Values of a kind that are remembered: the newest.
REMEMBERED = 40

#: Field of an answer -> parameter that takes its value.
FIELDS = {"workflow_run_id": "run_id", "run_id": "run_id", "task_id": "task_id", "workflow_id": "version", "form_token": "form_token"}

#: Path of a request that makes something -> parameter that takes the ``id`` of its answer.
MADE_BY = {
    "/v1/workflows/batches": "batch_id",
    "/v1/files/upload": "file_id",
    "/admin/v1/apps/{app}/keys": "key_id",
    "/admin/v1/apps/{app}/schedules": "schedule",
    "/admin/v1/apps/{app}/webhooks": "webhook_id",
}

#: Parameters whose values another parameter holds.
ALIASES = {"version_id": "version"}


class Known:
    """Of one app: parameter -> values that it can have."""

    def __init__(self) -> None:
        self._values: defaultdict[str, deque[str]] = defaultdict(lambda: deque(maxlen=REMEMBERED))

    def add(self, name: str, *values: str) -> None:
        self._values[name].extend(value for value in values if value not in self._values[name])

    def forget(self, name: str, value: str) -> None:
        if value in self._values[name]:
            self._values[name].remove(value)

    def pick(self, name: str, random: Random) -> str | None:
        values = self._values[ALIASES.get(name, name)]
        return random.choice(values) if values else None

    def learn(self, path: str, answer: Any) -> None:
        """What the JSON ``answer`` of a successful request to ``path`` says that exists."""
        if not isinstance(answer, dict):
            return
        for field, name in FIELDS.items():
            if isinstance(value := answer.get(field), str):
                self.add(name, value)
        if path in MADE_BY and isinstance(value := answer.get("id"), str):
            self.add(MADE_BY[path], value)
        for reason in (answer.get("data") or {}).get("reasons", ()) if isinstance(answer.get("data"), dict) else ():
            if isinstance(value := reason.get("form_token"), str):
                self.add("form_token", value)
