"""What readers of a run were told by earlier attempts, so that a new one tells them only the rest (design.md invariants 3 and 4)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import replace
from typing import Any, TypeVar

import orjson

from worker.engine.events import RESUMPTION, Event, ReasoningChunk, TextChunk
from worker.engine.spending import Spending
from worker.engine.start import NOT_TRIED, Tried

Selector = tuple[str, ...]

Text = TypeVar("Text", TextChunk, ReasoningChunk)


class Told:
    """Takes every event of a resumed run, in any order, and gives back what is new of it.

    An event is known by its kind and what it is about: ids and times do not matter. Texts are known by the number of characters
    that went out for their selector, since a streamed text may come in other pieces the second time.
    """

    def __init__(self, frames: Iterable[bytes]) -> None:
        #: Nodes whose ``node_started`` went out: execution id -> (index, created_at).
        self.started: dict[str, tuple[int, float]] = {}
        #: Nodes whose ``node_retry`` went out, by execution id.
        self.tried: dict[str, Tried] = {}
        #: Readers were told that the run pauses, and not yet that it goes on.
        self.is_paused = False
        self._events: Counter[Hashable] = Counter()
        #: Characters that went out, and chunks without any.
        self._texts: Counter[Selector] = Counter()
        self._blanks: Counter[Selector] = Counter()
        for frame in frames:
            self._learn(orjson.loads(frame))

    def rest(self, event: Event, frame: bytes) -> Event | None:
        """The event, the end of a text chunk, or None if all of it was told. ``frame`` is the event as ``wire.encode`` makes it."""
        if isinstance(event, TextChunk):
            return self._rest_of_text(event, tuple(event.selector))
        if isinstance(event, ReasoningChunk):
            return self._rest_of_text(event, thoughts_of(event.node_id))
        return None if self._take(self._events, identity(orjson.loads(frame))) else event

    def _learn(self, payload: Mapping[str, Any]) -> None:
        data = payload.get("data", {})
        if payload["event"] == "text_chunk":
            self._learn_text(data["text"], tuple(data["from_variable_selector"]))
            return
        if payload["event"] == "reasoning_chunk":
            self._learn_text(data["reasoning"], thoughts_of(data["node_id"]))
            return
        if payload["event"] in PAUSES or (payload["event"] == "workflow_started" and data["reason"] == RESUMPTION):
            # These are told by whoever has cause to, not again by every attempt.
            self.is_paused = payload["event"] in PAUSES
            return
        self._events[identity(payload)] += 1
        if payload["event"] == "node_started":
            self.started[data["id"]] = (data["index"], float(data["created_at"]))
        elif payload["event"] == "node_retry":
            self._learn_retry(data)

    def _learn_retry(self, data: Mapping[str, Any]) -> None:
        metadata = data["execution_metadata"]
        spending = Spending.of(metadata.get("total_tokens") or 0, metadata)
        is_root = not (data["iteration_id"] or data["loop_id"])
        self.tried[data["id"]] = self.tried.get(data["id"], NOT_TRIED).after(spending, is_root=is_root)

    def _learn_text(self, text: str, selector: Selector) -> None:
        if text:
            self._texts[selector] += len(text)
        else:
            self._blanks[selector] += 1

    def _rest_of_text(self, event: Text, selector: Selector) -> Text | None:
        if not event.text:
            return None if self._take(self._blanks, selector) else event
        told = min(self._texts[selector], len(event.text))
        self._texts[selector] -= told
        return replace(event, text=event.text[told:]) if told < len(event.text) else None

    @staticmethod
    def _take(counter: Counter[Any], key: Hashable) -> bool:
        if counter[key] <= 0:
            return False
        counter[key] -= 1
        return True


def thoughts_of(node_id: str) -> Selector:
    """A selector that no value has, since no node has an empty id."""
    return ("", "reasoning", node_id)


PAUSES = frozenset({"human_input_required", "workflow_paused"})

#: What tells events about the same thing apart.
DETAILS = {
    "node_retry": "retry_index",
    "agent_log": "status",
    "human_input_form_filled": "node_id",
    "human_input_form_timeout": "node_id",
}


def identity(payload: Mapping[str, Any]) -> Hashable:
    """What an event is about: a node execution, one of its retries, a step of an agent, a container and its round, or the run."""
    data = payload.get("data", {})
    detail = data.get(DETAILS[payload["event"]]) if payload["event"] in DETAILS else None
    if payload["event"].endswith("_next"):
        detail = data.get("index")
    return payload["event"], data.get("id"), detail
