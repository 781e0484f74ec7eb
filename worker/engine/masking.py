"""Secrets must not show in logs, error texts, node inputs or process data (nodes.md section 2.4, dsl.md section 7.4)."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from typing import Any
from urllib.parse import quote, quote_plus

from worker.engine.values import Secret

#: A shorter secret would be found in ordinary words.
SHORTEST_SOUGHT = 4


def mask(text: str) -> str:
    """The form in which a secret may be shown; it tells neither length nor, up to 8 characters, any part."""
    if not text:
        return ""
    return "*" * 20 if len(text) <= 8 else f"{text[:6]}{'*' * 12}{text[-2:]}"


class Masker:
    """Hides the given secrets wherever they occur in a value.

    Found are whole ``Secret`` values of any length, and each occurrence of a secret of 4 or more characters inside a text, also as it is
    spelled in a URL or inside a JSON string.
    """

    def __init__(self, secrets: Collection[str]) -> None:
        self._is_needed = bool(secrets)
        sought = [str(secret) for secret in secrets if len(secret) >= SHORTEST_SOUGHT]
        self._shown = {spelling: mask(secret) for secret in sought for spelling in spellings(secret)}
        longest_first = sorted(self._shown, key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, longest_first))) if longest_first else None

    def text(self, text: str) -> str:
        if isinstance(text, Secret):
            return mask(text)
        return self._pattern.sub(lambda found: self._shown[found[0]], text) if self._pattern else text

    def value(self, value: Any) -> Any:
        """The masked copy of a JSON-like value, keys included; the value itself where there are no secrets."""
        return self._masked_copy(value) if self._is_needed else value

    def _masked_copy(self, value: Any) -> Any:
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, Mapping):
            return {self._masked_copy(key): self._masked_copy(item) for key, item in value.items()}
        return [self._masked_copy(item) for item in value] if isinstance(value, list | tuple) else value


def spellings(secret: str) -> set[str]:
    """How a text looks in a URL (path, query, form) and inside JSON strings."""
    in_urls = {quote(secret, safe="", errors="replace"), quote(secret, errors="replace"), quote_plus(secret, errors="replace")}
    in_json = {json.dumps(secret, ensure_ascii=ascii_only)[1:-1] for ascii_only in (True, False)}
    return {secret} | in_urls | in_json
