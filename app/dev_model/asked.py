"""What a caller asked for, whichever vendor's words it used."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from app.dev_model import directives
from app.dev_model.tokens import tokens_of

#: What a picture or another medium costs, in tokens.
MEDIA_TOKENS = 85

#: Those whose words count as the caller's, not as something a model or a tool said.
OWN_ROLES = ("system", "developer", "user")


#: Of a request: JSON, or the fields of a form.
Body = Mapping[str, Any]


class BadRequest(Exception):
    """A request that a vendor would refuse, with its words for that."""

    def __init__(self, message: str, parameter: str | None = None) -> None:
        super().__init__(message)
        self.parameter = parameter


@dataclass(frozen=True, slots=True)
class Turn:
    role: str
    text: str
    #: Pictures, sounds, documents.
    media: int = 0


@dataclass(frozen=True, slots=True)
class Tool:
    name: str
    #: JSON Schema.
    parameters: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Asked:
    model: str
    turns: Sequence[Turn]
    tools: Sequence[Tool] = ()
    #: "auto", "none", "required" or a tool's name.
    tool_choice: str = "auto"
    #: JSON Schema that the answer must fit.
    schema: Mapping[str, Any] | None = None
    wants_json: bool = False
    #: None: as long as it gets.
    max_tokens: int | None = None
    stop: Sequence[str] = ()
    stream: bool = False
    #: A stream ends with the number of tokens only if that was asked for (OpenAI).
    include_usage: bool = True

    @property
    def own_texts(self) -> list[str]:
        return [turn.text for turn in self.turns if turn.role in OWN_ROLES]

    @property
    def question(self) -> str:
        """The last words of the user, without directives."""
        texts = [turn.text for turn in self.turns if turn.role == "user"] or self.own_texts
        return directives.without_directives(texts[-1]) if texts else ""

    @property
    def seed(self) -> str:
        """What made-up words depend on."""
        return "\n".join(f"{turn.role}: {turn.text}" for turn in self.turns)

    @property
    def prompt_tokens(self) -> int:
        return sum(len(tokens_of(turn.text)) + MEDIA_TOKENS * turn.media for turn in self.turns)

    @property
    def has_tool_results(self) -> bool:
        return bool(self.turns) and self.turns[-1].role == "tool"
