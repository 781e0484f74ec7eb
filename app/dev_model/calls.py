"""What the scripted server was asked, for tests that look at the far side."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass, field
from typing import Any

#: Calls that are kept; older ones are forgotten.
KEPT = 10_000


@dataclass(slots=True)
class Call:
    number: int
    path: str
    #: Authorization or x-api-key, as sent.
    key: str
    #: As sent; None where it is no JSON.
    body: Any
    #: Seconds since the epoch.
    began_at: float = field(default_factory=time.time)
    ended_at: float | None = None
    #: "open", then "complete", "broken" (by a directive) or "hung up" (by the caller).
    state: str = "open"
    status: int | None = None
    #: Tokens that were sent.
    tokens: int = 0

    def end(self, state: str) -> None:
        """The first end counts."""
        if self.state == "open":
            self.state, self.ended_at = state, time.time()


class CallLog:
    def __init__(self) -> None:
        self._calls: dict[int, Call] = {}
        self._seen: dict[str, int] = {}
        self._last = 0

    def open(self, path: str, key: str, body: Any) -> Call:
        self._last += 1
        call = self._calls[self._last] = Call(self._last, path, key, body)
        self._calls.pop(self._last - KEPT, None)
        return call

    def count(self, request: str) -> int:
        """How often ``request`` was counted, this time included."""
        self._seen[request] = self._seen.get(request, 0) + 1
        return self._seen[request]

    def forget(self) -> None:
        self._calls.clear()
        self._seen.clear()

    def to_json(self) -> list[dict[str, Any]]:
        return [asdict(call) for call in self._calls.values()]
