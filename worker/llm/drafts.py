"""An answer in the making: pieces as they arrive, whoever sends them."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass, field

from worker.engine.models import Answer, Delta, Media, ModelError, ToolCall, Usage
from worker.llm.calls import Call

#: The tool by which a model gives an answer of a certain schema, where it can be made to in no other way.
ANSWER_TOOL = "give_answer"
ANSWER_INSTRUCTION = "Gives the answer. Call it once, with the whole answer, and say nothing else."

#: Of all pictures and sounds of an answer: as much as the largest upload of a sound.
MAX_MEDIA_BYTES = 50 * 1024 * 1024


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
        #: Place of the call of ``ANSWER_TOOL``.
        self._answer_place: int | None = None
        self._media: list[Media] = []
        self._media_bytes = 0
        #: Pieces of a sound that has not ended.
        self.sound: list[bytes] = []
        self.usage: Usage | None = None
        self.finish_reason: str | None = None

    @property
    def text(self) -> str:
        return "".join(self._texts)

    @property
    def reasoning(self) -> str:
        return "".join(self._thoughts)

    @property
    def tool_calls(self) -> tuple[ToolCall, ...]:
        """Those without an id of their own get one; without arguments, none."""
        drafts = (draft for _, draft in sorted(self._calls.items()))
        return tuple(
            ToolCall(draft.id or f"call_{uuid.uuid4().hex[:24]}", draft.name, "".join(draft.arguments) or "{}") for draft in drafts
        )

    @property
    def is_empty(self) -> bool:
        """Nothing of an answer has arrived."""
        return not (self._texts or self._thoughts or self._calls or self._media or self.sound)

    def say(self, text: str) -> None:
        if text:
            self._texts.append(text)
            self._tell(Delta(text=text))

    def think(self, text: str) -> None:
        if text:
            self._thoughts.append(text)
            self._tell(Delta(reasoning=text))

    def show(self, media: Media) -> None:
        """Raises ``ModelError`` for more than an answer may have."""
        self._weigh(media.content)
        self._media.append(media)
        self._tell(Delta(media=media))

    def sing(self, piece: bytes) -> None:
        """A piece of a sound. Raises ``ModelError`` for more than an answer may have."""
        self._weigh(piece)
        self.sound.append(piece)
        self._call.heard()

    def _weigh(self, content: bytes) -> None:
        self._media_bytes += len(content)
        if self._media_bytes > MAX_MEDIA_BYTES:
            raise ModelError(f"The model answered with more than {MAX_MEDIA_BYTES} bytes of pictures and sounds.")

    def call_tool(self, index: int, call_id: str, name: str, arguments: str) -> None:
        """A piece of a tool call; id and name come once, the arguments bit by bit. Those of ``ANSWER_TOOL`` are the answer's text."""
        if name == ANSWER_TOOL:
            self._answer_place = index
        if index == self._answer_place:
            self.say(arguments)
            return
        draft = self._calls.setdefault(index, DraftCall())
        draft.id = draft.id or call_id
        draft.name = draft.name or name
        draft.arguments.append(arguments)
        self._call.heard()

    def answer(self, usage: Usage) -> Answer:
        # To who asked, it is no call that ended the answer.
        reason = self.finish_reason if self._answer_place is None else "stop"
        return Answer(self.text, self.reasoning, self.tool_calls, usage, reason, tuple(self._media))

    def _tell(self, delta: Delta) -> None:
        self._call.heard()
        self._on_delta(delta)
