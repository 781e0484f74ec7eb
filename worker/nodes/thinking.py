"""What models write before they answer: ``<think>`` blocks in the text."""

from __future__ import annotations

import re

THINKING_STARTS = re.compile(r"<think\b[^<>]*>", re.IGNORECASE)
THINKING_ENDS = re.compile(r"</think\s*>", re.IGNORECASE)


def without_thinking(text: str) -> str:
    """The text without its closed ``<think>`` blocks; one that is never closed stays."""
    kept, position = [], 0
    while (start := THINKING_STARTS.search(text, position)) and (end := THINKING_ENDS.search(text, start.end())):
        kept.append(text[position : start.start()])
        position = end.end()
    return "".join(kept) + text[position:]
