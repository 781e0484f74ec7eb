"""What http-request nodes need in their tests: a web server, a client that may call it, and files in memory."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from typing import Any

from tests.unit.outbound.web import WebServer
from worker.engine.errors import NodeError
from worker.engine.events import ROOT
from worker.engine.file_types import detect_type
from worker.engine.inbox import Inbox
from worker.engine.limits import Limits
from worker.engine.memory import SystemClock
from worker.engine.node import NodeContext, NodeResult, NodeSpec
from worker.engine.ports import Ports
from worker.engine.variables import File, VariablePool, remote_address
from worker.nodes.http_request import HTTPRequestNode
from worker.outbound.client import GuardedClient

RUN_ID = "0a6a1d1c-5a43-4d3f-9f0e-3c2b1a09f8e7"
EXECUTION_ID = "b7e3f1a2-9c8d-4e5f-8a6b-1c2d3e4f5a6b"


@dataclass
class MemoryFiles:
    contents: dict[str, bytes] = field(default_factory=dict)

    def add(self, name: str, content: bytes, mime_type: str = "text/plain") -> File:
        file_id = str(uuid.uuid4())
        self.contents[file_id] = content
        extension = name[name.rfind(".") :] if "." in name else ""
        kind = detect_type(extension, mime_type)
        return File(kind, "local_file", name, extension, mime_type, len(content), related_id=file_id)

    def read(self, file: File) -> bytes:
        if file.related_id not in self.contents:
            raise NodeError("gone", error_type="FileFetchError")
        return self.contents[file.related_id]

    def save(self, content: bytes, *, extension: str, mime_type: str) -> File:
        return self.add(f"{uuid.uuid4().hex}{extension}", content, mime_type)

    url = staticmethod(remote_address)


class HTTPWorld:
    def __init__(self, web: WebServer, client: GuardedClient) -> None:
        self.web = web
        self.client = client
        self.files = MemoryFiles()
        self.inbox = Inbox()
        self.pool = VariablePool()
        self.limits = Limits()

    def run(self, **data: Any) -> NodeResult:
        """One execution of a node; ``url`` starts with ``/`` for the server of the test."""
        data = {"method": "get", "url": "/echo", **data}
        if data["url"].startswith("/"):
            data["url"] = self.web.url + data["url"]
        ports = Ports(self.client, code=None, templates=None, documents=None, files=self.files, clock=SystemClock(), limits=self.limits)
        context = NodeContext(RUN_ID, "app-1", EXECUTION_ID, ROOT, ports, self.inbox, stream=lambda key, text, is_final: None)
        return node(**data).run(self.pool, context)

    def fail(self, **data: Any) -> NodeError:
        """The failure of a node that must fail."""
        try:
            result = self.run(**data)
        except NodeError as error:
            return error
        raise AssertionError(f"The node succeeded: {result.outputs}")


def node(**data: Any) -> HTTPRequestNode:
    return HTTPRequestNode(NodeSpec("h", "http-request", "H", "1", data, path="workflow.graph.nodes[1]"))
