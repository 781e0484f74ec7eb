"""Secrets must not show in logs, error texts, node inputs or process data (nodes.md section 2.4, dsl.md section 7.4)."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from functools import lru_cache
from typing import Any

from worker.engine.values import Secret

#: A shorter secret would be found in ordinary words.
SHORTEST_SOUGHT = 4

#: Characters that every encoder leaves alone.
PLAIN = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.")

#: Other characters, of all secrets together, that are sought in every spelling: each costs some 0.1 ms, once. The key of a large
#: service account has 150.
MOST_SPELLED = 5000

#: What JSON and Python write behind a backslash; both put backslashes before quotes, too.
ESCAPES = {"\n": "n", "\r": "r", "\t": "t", "\b": "b", "\f": "f"}


def mask(text: str) -> str:
    """The form in which a secret may be shown; it tells neither length nor, up to 8 characters, any part."""
    if not text:
        return ""
    return "*" * 20 if len(text) <= 8 else f"{text[:6]}{'*' * 12}{text[-2:]}"


class Masker:
    """Hides the given secrets wherever they occur in a value.

    Found are whole ``Secret`` values of any length, and each occurrence of a secret of 4 or more characters inside a text, also as it is
    spelled in a URL, in a JSON string or in a traceback, without the blanks around it, and in letters of the other case.
    """

    def __init__(self, secrets: Collection[str]) -> None:
        self._is_needed = bool(secrets)
        shown = {secret.strip(): mask(secret) for secret in map(str, secrets) if len(secret.strip()) >= SHORTEST_SOUGHT}
        longest_first = sorted(shown, key=len, reverse=True)
        #: Masked forms by the number of the pattern's group, from 1.
        self._shown = ["", *(shown[secret] for secret in longest_first)]
        self._pattern = _compiled(tuple(longest_first)) if longest_first else None

    def text(self, text: str) -> str:
        if isinstance(text, Secret):
            return mask(text)
        return self._pattern.sub(lambda found: self._shown[found.lastindex or 0], text) if self._pattern else text

    def value(self, value: Any) -> Any:
        """The masked copy of a JSON-like value, keys included; the value itself where there are no secrets."""
        return self._masked_copy(value) if self._is_needed else value

    def _masked_copy(self, value: Any) -> Any:
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, Mapping):
            return {self._masked_copy(key): self._masked_copy(item) for key, item in value.items()}
        return [self._masked_copy(item) for item in value] if isinstance(value, list | tuple) else value


@lru_cache(maxsize=64)
def _compiled(secrets: tuple[str, ...]) -> re.Pattern[str]:
    """One group for each secret."""
    spelled = sum(character not in PLAIN for secret in secrets for character in secret) <= MOST_SPELLED
    patterns = ("".join(map(_spellings, secret)) if spelled else re.escape(secret) for secret in secrets)
    return re.compile("|".join(f"({pattern})" for pattern in patterns), re.IGNORECASE)


def _spellings(character: str) -> str:
    """Pattern of a character as URLs, JSON and Python write it. One encoding may lie inside another, so backslashes may have doubled."""
    if character in PLAIN:
        return re.escape(character)
    if character == "\\":
        return r"(?:\\{1,8}|%(?:25)?5c)"
    raw = character.encode("utf-8", "replace")
    forms = [
        rf"\\{{0,4}}{re.escape(character)}",
        "".join(rf"%(?:25)?{byte:02x}" for byte in raw),
        "".join(rf"\\{{1,4}}x{byte:02x}" for byte in raw),
        "".join(rf"\\{{1,4}}u{unit}" for unit in _utf16_units(character)),
    ]
    forms += [r"\+"] if character == " " else []
    forms += [rf"\\{{1,4}}{ESCAPES[character]}"] if character in ESCAPES else []
    forms += [rf"\\{{1,4}}x{ord(character):02x}"] if 0x80 <= ord(character) < 0x100 else []
    return f"(?:{'|'.join(forms)})"


def _utf16_units(character: str) -> list[str]:
    units = character.encode("utf-16-be", "surrogatepass").hex()
    return [units[at : at + 4] for at in range(0, len(units), 4)]
