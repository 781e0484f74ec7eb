"""Thoughts of a model, in tags within the text or in a field of their own, and what of an answer is shown while it arrives."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Protocol

from worker.engine.models import Answer, Delta
from worker.nodes.thinking import THINKING_ENDS, THINKING_STARTS

#: Values of ``reasoning_format``.
TAGGED, SEPARATED = "tagged", "separated"

#: How a provider's separate field is put in front of the text, where thoughts stay in it.
OPENING, CLOSING = "<think>\n", "\n</think>"

#: What may still become a tag when more text arrives; no tag is longer than this.
PARTIAL_START = re.compile(r"<(?:t(?:h(?:i(?:n(?:k(?:\b[^<>]*)?)?)?)?)?)?\Z", re.IGNORECASE)
PARTIAL_END = re.compile(r"<(?:/(?:t(?:h(?:i(?:n(?:k\s*)?)?)?)?)?)?\Z", re.IGNORECASE)
LONGEST_TAG = 200

BLANK_LINES = re.compile(r"\n\s*\n")


class Shown(Protocol):
    """What becomes of an answer on its way: ``take`` each piece, then ``finish`` for text and reasoning as they are put out."""

    def take(self, delta: Delta) -> None: ...

    def finish(self, answer: Answer) -> tuple[str, str]: ...


def shown_as(reasoning_format: str, say: Callable[[str], None], think: Callable[[str], None]) -> Shown:
    """``say`` hears the text as it is shown; ``think`` the thoughts, where they are separated from it."""
    return Separated(say, think) if reasoning_format == SEPARATED else Tagged(say)


class Tagged:
    """Everything is text; thoughts from a field of their own become a block in front of it."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._pieces: list[str] = []
        self._is_thinking = False

    def take(self, delta: Delta) -> None:
        if delta.reasoning:
            self._tell(delta.reasoning if self._is_thinking else OPENING + delta.reasoning)
            self._is_thinking = True
        if delta.text:
            self._tell(self._ending() + delta.text)

    def finish(self, answer: Answer) -> tuple[str, str]:
        self._tell(self._ending())
        return "".join(self._pieces), ""

    def _ending(self) -> str:
        was_thinking, self._is_thinking = self._is_thinking, False
        return CLOSING if was_thinking else ""

    def _tell(self, text: str) -> None:
        if text:
            self._pieces.append(text)
            self._say(text)


class Separated:
    """Text and thoughts go different ways; a tag may be torn apart over any number of pieces."""

    def __init__(self, say: Callable[[str], None], think: Callable[[str], None]) -> None:
        self._say = say
        self._think = think
        #: Text that may be, or belong to, a tag.
        self._held = ""
        self._is_thinking = False
        self._has_spoken = False

    def take(self, delta: Delta) -> None:
        if delta.reasoning:
            self._think(delta.reasoning)
        self._held += delta.text
        while self._take_tag():
            pass
        partial = (PARTIAL_END if self._is_thinking else PARTIAL_START).search(self._held)
        cut = partial.start() if partial and len(self._held) - partial.start() <= LONGEST_TAG else len(self._held)
        self._pass_on(self._held[:cut])
        self._held = self._held[cut:]

    def finish(self, answer: Answer) -> tuple[str, str]:
        self._pass_on(self._held)
        self._held = ""
        text, thoughts = separated(answer.text)
        told = [answer.reasoning.strip(), *thoughts]
        return text, "\n".join(thought for thought in told if thought)

    def _take_tag(self) -> bool:
        """Pass on what is before the next tag; the tag itself goes nowhere."""
        tag = (THINKING_ENDS if self._is_thinking else THINKING_STARTS).search(self._held)
        if tag is None:
            return False
        self._pass_on(self._held[: tag.start()])
        self._held = self._held[tag.end() :]
        self._is_thinking = not self._is_thinking
        return True

    def _pass_on(self, text: str) -> None:
        if self._is_thinking:
            if text:
                self._think(text)
        elif visible := text if self._has_spoken else text.lstrip():
            self._has_spoken = True
            self._say(visible)


def separated(text: str) -> tuple[str, list[str]]:
    """The text without its thoughts, its blank lines put in order; and each thought. One that never ends is one too."""
    kept, thoughts, position = [], [], 0
    while start := THINKING_STARTS.search(text, position):
        kept.append(text[position : start.start()])
        end = THINKING_ENDS.search(text, start.end())
        thoughts.append(text[start.end() : end.start() if end else len(text)].strip())
        position = end.end() if end else len(text)
    kept.append(text[position:])
    return BLANK_LINES.sub("\n\n", "".join(kept)).strip(), thoughts
