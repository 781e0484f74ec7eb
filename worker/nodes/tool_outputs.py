"""The messages of a tool as the outputs of a node (nodes.md section 6.13)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from worker.engine.node import NodeContext
from worker.engine.ports import Files
from worker.engine.spending import NOTHING_SPENT, Spending
from worker.engine.tools import (
    BlobMessage,
    FileMessage,
    JSONMessage,
    LinkMessage,
    TextMessage,
    ToolMessage,
    UsageMessage,
    VariableMessage,
)
from worker.engine.variables import File

#: ``json`` of a tool that sent none.
NO_JSON: Sequence[Any] = ({"data": []},)


@dataclass(slots=True)
class Collected:
    """What a tool has sent so far."""

    text: str = ""
    files: list[File] = field(default_factory=list)
    json: list[Any] = field(default_factory=list)
    variables: dict[str, Any] = field(default_factory=dict)
    spending: Spending = NOTHING_SPENT

    def outputs(self) -> dict[str, Any]:
        return {"text": self.text, "files": self.files, "json": self.json or list(NO_JSON), **self.variables}


def collect(messages: Iterable[ToolMessage], context: NodeContext, on_text: Callable[[str], None]) -> Collected:
    """Take every message; ``on_text`` sees each piece of text at once. Raises ``NodeError``, and the run's signal when it is cancelled."""
    found = Collected()
    for message in messages:
        context.cancellation.check()
        piece = text_of_message(message)
        if piece:
            found.text += piece
            on_text(piece)
        take(message, found, context.ports.files)
    return found


def text_of_message(message: ToolMessage) -> str:
    if isinstance(message, TextMessage):
        return message.text
    return f"Link: {message.url}\n" if isinstance(message, LinkMessage) else ""


def take(message: ToolMessage, found: Collected, files: Files) -> None:
    if isinstance(message, JSONMessage):
        found.json.append(message.value)
    elif isinstance(message, BlobMessage):
        found.files.append(saved(message, files))
    elif isinstance(message, FileMessage):
        found.files.append(message.file)
    elif isinstance(message, VariableMessage):
        found.variables[message.name] = message.value
    elif isinstance(message, UsageMessage):
        found.spending += message.spending


def saved(message: BlobMessage, files: Files) -> File:
    file = files.save(message.content, extension=message.extension, mime_type=message.mime_type)
    return replace(file, filename=message.filename) if message.filename else file
