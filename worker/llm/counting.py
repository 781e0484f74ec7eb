"""How many tokens a text has, roughly: for providers that do not tell. No tokenizer fits the models of all of them."""

from __future__ import annotations

from collections.abc import Sequence

from worker.engine.models import Message, Usage

#: Characters of an ordinary English token.
CHARACTERS = 4

#: Tokens around each message.
OVERHEAD = 4


def tokens_of(text: str) -> int:
    """A quarter of the ASCII characters, and every other one: scripts of the east have about a token a character."""
    ascii_count = len(text.encode("ascii", "ignore"))
    return -(-ascii_count // CHARACTERS) + (len(text) - ascii_count)


def estimated(messages: Sequence[Message], text: str) -> Usage:
    return Usage(prompt_tokens=sum(OVERHEAD + tokens_of(message.text) for message in messages), completion_tokens=tokens_of(text))
