"""Files in prompts (nodes.md section 6.4): which become parts of a message, and where they stand."""

from __future__ import annotations

from collections.abc import Sequence

from worker.engine.errors import NodeError
from worker.engine.models import USER, Features, MediaPart, Message, TextPart
from worker.engine.ports import Files
from worker.engine.values import File

MEDIA_TYPES = ("image", "audio", "video", "document")

#: Those that providers fetch themselves if they are given an address.
FETCHED_TYPES = ("image", "video")


def media_parts(files: Sequence[File], detail: str, features: Features, store: Files) -> tuple[TextPart | MediaPart, ...]:
    """A part for each file that the model takes; a line of text for one that no model takes.

    Raises ``NodeError`` for a file that does not say what it is, or that cannot be read.
    """
    wanted = (file for file in files if file.type not in MEDIA_TYPES or features.takes(file.type))
    return tuple(_part(file, detail, store, by_address=features.by_address and file.type in FETCHED_TYPES) for file in wanted)


def _part(file: File, detail: str, store: Files, *, by_address: bool) -> TextPart | MediaPart:
    if file.type not in MEDIA_TYPES:
        return TextPart(f"[Unsupported file type: {file.filename} ({file.type})]")
    for name, value in (("extension", file.extension), ("mime_type", file.mime_type)):
        if not value:
            raise NodeError(f"Missing file {name}", error_type="ValueError")
    return MediaPart(file, detail, url=store.url(file)) if by_address else MediaPart(file, detail, store.read(file))


def with_media(messages: Sequence[Message], parts: Sequence[TextPart | MediaPart]) -> list[Message]:
    """The messages with the parts put before the text of the last one, if that is the user's, else in a message of their own."""
    if not parts:
        return list(messages)
    if not messages or messages[-1].role != USER:
        return [*messages, Message(USER, tuple(parts))]
    return [*messages[:-1], Message(USER, (*parts, *messages[-1].parts))]
