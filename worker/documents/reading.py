"""Reads one document. Runs in a limited process of its own: what comes in is hostile, and libraries are imported only there."""

from __future__ import annotations

from importlib import import_module


class DocumentRefused(Exception):
    """A document that is not read; the message says why."""


def read(reader: str, content: bytes) -> str:
    """The text of a document by one of the readers of ``kinds.KINDS``. Raises whatever the reader and its library raise."""
    module, _, function = reader.partition(".")
    text: str = getattr(import_module(f"worker.documents.{module}"), function)(content)
    return text


def reason(error: BaseException) -> str:
    """What went wrong, for users."""
    if isinstance(error, MemoryError):
        return "the document needs more memory than is allowed"
    if isinstance(error, RecursionError):
        return "the document is nested too deeply"
    return str(error) or type(error).__name__
