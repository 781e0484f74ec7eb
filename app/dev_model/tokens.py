"""Words of the scripted server: how text is cut into tokens, and the text that it makes up."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator

#: A word with the white space behind it; of scripts that are written without spaces, one character.
TOKEN = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]\s*|[^\s\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]+\s*|\s+")

VOCABULARY = (
    *("river", "stone", "garden", "window", "letter", "copper", "morning", "harbour", "signal", "paper", "orchard", "bridge"),
    *("lantern", "meadow", "engine", "market", "valley", "winter", "pencil", "island", "summer", "canvas", "thunder", "basket"),
    *("carries", "follows", "gathers", "measures", "crosses", "remembers", "opens", "shapes", "answers", "balances", "returns"),
    *("quiet", "bright", "steady", "narrow", "early", "gentle", "common", "distant", "and", "with", "under", "toward"),
)


def tokens_of(text: str) -> list[str]:
    """The pieces of a text; joined they are the text."""
    return TOKEN.findall(text)


def made_up_words(seed: str, count: int) -> list[str]:
    """``count`` tokens, always the same for the same seed."""
    words = list(_words(seed, count))
    return [word if position == count - 1 else f"{word} " for position, word in enumerate(words)]


def _words(seed: str, count: int) -> Iterator[str]:
    for position in range(count):
        yield VOCABULARY[stable_hash(f"{position} {seed}") % len(VOCABULARY)]


def stable_hash(text: str) -> int:
    """64 bits, the same in every process."""
    return int.from_bytes(hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest())
