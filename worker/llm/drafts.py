"""An answer in the making: pieces as they arrive, whoever sends them."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass, field

from worker.engine.models import Answer, Delta, ToolCall, Usage
from worker.llm.calls import Call


@dataclass(slots=True)
class DraftCall:
    id: str = ""
    name: str = ""
    arguments: list[str] = field(default_factory=list)


class Draft:
    """Collects an answer and tells its listener each piece."""

    def __init__(self, call: Call, on_delta: Callable[[Delta], None]) -> None:
        self._call = call
        self._on_delta = on_delta
        self._texts: list[str] = []
        self._thoughts: list[str] = []
        #: By the place that the provider gives each.
        self._calls: dict[int, DraftCall] = {}
        self.usage: Usage | None = None
        self.finish_reason: str | None = None

    @property
    def text(self) -> str:
        return "".join(self._texts)

    def say(self, text: str) -> None:
        if text:
            self._texts.append(text)
            self._tell(Delta(text=text))

    def think(self, text: str) -> None:
        if text:
            self._thoughts.append(text)
            self._tell(Delta(reasoning=text))

    def call_tool(self, index: int, call_id: str, name: str, arguments: str) -> None:
        """A piece of a tool call; id and name come once, the arguments bit by bit."""
        draft = self._calls.setdefault(index, DraftCall())
        draft.id = draft.id or call_id
        draft.name = draft.name or name
        draft.arguments.append(arguments)
        self._call.heard()

    def answer(self, usage: Usage) -> Answer:
        calls = tuple(
            ToolCall(call.id or f"call_{uuid.uuid4().hex[:24]}", call.name, "".join(call.arguments) or "{}")
            for _, call in sorted(self._calls.items())
        )
        return Answer(self.text, "".join(self._thoughts), calls, usage, self.finish_reason)

    def _tell(self, delta: Delta) -> None:
        self._call.heard()
        self._on_delta(delta)
