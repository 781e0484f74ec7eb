"""What a node that asks a model needs around it: scripted models, files by name, and a run that may be stopped."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

from worker.engine.errors import NodeError
from worker.engine.events import ROOT
from worker.engine.file_types import detect_type
from worker.engine.inbox import Inbox
from worker.engine.memory import SystemClock
from worker.engine.models import Models
from worker.engine.node import NodeContext
from worker.engine.ports import Ports
from worker.engine.variables import File, VariablePool, remote_address


class StoredFiles:
    """The files of a test, by their names."""

    @staticmethod
    def url(file: File) -> str:
        return f"https://files/{file.related_id}" if file.related_id else remote_address(file)

    def __init__(self, contents: Mapping[str, bytes]) -> None:
        self._contents = contents

    def read(self, file: File) -> bytes:
        if file.filename not in self._contents:
            raise NodeError(f"{file.filename} is gone.", error_type="FileFetchError")
        return self._contents[file.filename]

    def save(self, content: bytes, *, extension: str, mime_type: str) -> File:
        name, kind = uuid.uuid4().hex, detect_type(extension, mime_type)
        return File(kind, "tool_file", f"{name}{extension}", extension, mime_type, len(content), related_id=name)


def context_of(models: Models, *, contents: Mapping[str, bytes] | None = None, inbox: Inbox | None = None) -> NodeContext:
    files: Any = StoredFiles(contents or {})
    none: Any = None
    ports = Ports(http=none, code=none, templates=none, documents=none, files=files, clock=SystemClock(), models=models)
    return NodeContext("run-1", "app-1", "execution-1", ROOT, ports, inbox or Inbox(), lambda *chunk: None)


def pool_of(**nodes: Mapping[str, Any]) -> VariablePool:
    pool = VariablePool()
    for node_id, values in nodes.items():
        pool.add_outputs(node_id, values)
    return pool


def picture(name: str = "a.png") -> File:
    return File("image", "local_file", name, ".png", "image/png", 3)
