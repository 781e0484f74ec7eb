"""Text that arrives in pieces, cut into what is spoken at a time (api-contract.md section 7)."""

from __future__ import annotations

import re
from collections.abc import Iterator

SENTENCE_END = re.compile(r"[。.!?]")

#: Sentences that make the first batch, so that speech begins soon, and that make the largest.
FEWEST = 2
MOST = 7

#: Characters that one request to a model may have; that of OpenAI takes 4096.
PORTION = 4000


class SentenceBatches:
    """Holds a text back until enough sentences of it are complete. Each batch needs one sentence more than the one before."""

    def __init__(self) -> None:
        self._pieces: list[str] = []
        self._length = 0
        self._sentences = 0
        #: Characters up to the end of the last complete sentence.
        self._complete = 0
        self._wanted = FEWEST

    def add(self, text: str) -> str:
        """All complete sentences, if there are enough of them by now; else an empty text."""
        for end in SENTENCE_END.finditer(text):
            self._sentences += 1
            self._complete = self._length + end.end()
        self._pieces.append(text)
        self._length += len(text)
        if self._sentences < self._wanted:
            return ""
        self._wanted = min(self._wanted + 1, MOST)
        return self._cut(self._complete)

    def rest(self) -> str:
        """Whatever is held."""
        return self._cut(self._length)

    def _cut(self, length: int) -> str:
        text = "".join(self._pieces)
        self._pieces = [text[length:]]
        self._length = len(text) - length
        self._sentences = self._complete = 0
        return text[:length]


def portions(text: str, limit: int = PORTION) -> Iterator[str]:
    """A text in pieces of at most ``limit`` characters, cut behind a sentence where there is one, else behind a word."""
    while len(text) > limit:
        cut = _cut_before(text, limit)
        yield text[:cut]
        text = text[cut:]
    if text.strip():
        yield text


def _cut_before(text: str, limit: int) -> int:
    ends = [match.end() for match in SENTENCE_END.finditer(text, 0, limit)]
    return ends[-1] if ends else text.rfind(" ", 0, limit) + 1 or limit
