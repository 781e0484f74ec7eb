"""Secrets must not show in logs, error texts, node inputs or process data (nodes.md section 2.4, dsl.md section 7.4)."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from worker.engine.spellings import SMALL, Reading, occurrences
from worker.engine.values import Secret

#: A shorter secret would be found in ordinary words.
SHORTEST_SOUGHT = 4


def mask(text: str) -> str:
    """The form in which a secret may be shown; it tells neither length nor, up to 8 characters, any part."""
    if not text:
        return ""
    return "*" * 20 if len(text) <= 8 else f"{text[:6]}{'*' * 12}{text[-2:]}"


@dataclass(frozen=True, slots=True)
class Sought:
    """A secret as it is looked for: in small letters, without blanks around it."""

    literal: str
    #: Without its escapes; empty if hardly anything is left then.
    read: str
    shown: str

    @classmethod
    def of(cls, secret: str, shown: str) -> Sought:
        text = secret.strip()
        read = Reading(text).text
        return cls(text.translate(SMALL), read if len(read) >= SHORTEST_SOUGHT else "", shown)


class Masker:
    """Hides the given secrets wherever they occur in a value.

    Found are whole ``Secret`` values of any length, and each occurrence of a secret of 4 or more characters inside a text, also as URLs,
    JSON strings and tracebacks spell it (spellings.py).
    """

    def __init__(self, secrets: Collection[str], shown: Callable[[str], str] = mask) -> None:
        #: There are secrets to look for.
        self.is_needed = bool(secrets)
        sought = [str(secret) for secret in secrets if len(secret.strip()) >= SHORTEST_SOUGHT]
        self._sought = [Sought.of(secret, shown(secret)) for secret in sought]

    def text(self, text: str) -> str:
        if isinstance(text, Secret):
            return mask(text)
        return replaced(text, self._found(text)) if self._sought else text

    def value(self, value: Any) -> Any:
        """The masked copy of a JSON-like value, keys included; the value itself where there are no secrets."""
        return self._masked_copy(value) if self.is_needed else value

    def _masked_copy(self, value: Any) -> Any:
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, Mapping):
            return {self._masked_copy(key): self._masked_copy(item) for key, item in value.items()}
        return [self._masked_copy(item) for item in value] if isinstance(value, list | tuple) else value

    def _found(self, text: str) -> list[tuple[int, int, str]]:
        """Beginning, end and masked form of each occurrence; they may overlap."""
        small, reading = text.translate(SMALL), Reading(text)
        found: list[tuple[int, int, str]] = []
        for sought in self._sought:
            # What stands before a secret may change how its beginning reads, as a backslash before an n does.
            found += [(start, end, sought.shown) for start, end in occurrences(small, sought.literal)]
            if sought.read:
                found += [(start, end, sought.shown) for start, end in reading.places(sought.read)]
        return found


def replaced(text: str, found: Iterable[tuple[int, int, str]]) -> str:
    """The text with masked forms instead of what was found; of several at one place, that of the longest."""
    parts: list[str] = []
    at = 0
    for start, end, shown in sorted(found, key=lambda place: (place[0], -place[1])):
        if start >= at:
            parts += [text[at:start], shown]
        at = max(at, end)
    return "".join([*parts, text[at:]])
