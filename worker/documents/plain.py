"""Text that is its own text, markup included."""

from __future__ import annotations

from worker.documents.encoding import decoded


def text(content: bytes) -> str:
    return decoded(content)
