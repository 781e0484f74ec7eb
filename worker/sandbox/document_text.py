"""Finds the text of a document inside an execution (nodes.md section 6.17)."""

from __future__ import annotations

from worker.documents.reading import read, reason
from worker.sandbox.failures import shortened
from worker.sandbox.protocol import FAILURE, RESULT


def answer(reader: str, content: bytes, max_bytes: int) -> bytes:
    """The text, or the text of what went wrong."""
    try:
        text = read(reader, content).encode(errors="replace")
    except Exception as error:
        return FAILURE + shortened(reason(error)).encode(errors="replace")
    return RESULT + text if len(text) <= max_bytes else FAILURE + f"its text has more than {max_bytes} bytes".encode()
