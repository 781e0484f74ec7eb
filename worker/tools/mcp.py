"""Tools of an MCP server. What it offers is asked when it is registered, so that documents can be checked without it."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from worker.engine.errors import NodeError
from worker.engine.media_types import extension_of_mime
from worker.engine.node import NodeContext
from worker.engine.ports import Cancellation, HTTPClient
from worker.engine.tools import BlobMessage, JSONMessage, LinkMessage, TextMessage, ToolMessage, ToolParameter
from worker.tools.openapi import parameters_of

if TYPE_CHECKING:
    from mcp.client import Client
    from mcp.types import CallToolResult

#: Pages of a list of tools.
MAX_PAGES = 50


@dataclass(frozen=True, slots=True)
class MCPTool:
    name: str
    description: str
    parameters: tuple[ToolParameter, ...]
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)

    def invoke(self, parameters: Mapping[str, Any], context: NodeContext) -> Iterator[ToolMessage]:
        from worker.tools.mcp_client import converse

        async def work(client: Client) -> CallToolResult:
            return await client.call_tool(self.name, dict(parameters))

        result = converse(self.url, dict(self.headers), context.ports.http, context.cancellation, work)
        messages = [message for block in result.content for message in messages_of(block)]
        if result.is_error:
            raise NodeError("".join(message.text for message in messages if isinstance(message, TextMessage)) or "The tool failed.")
        yield from messages
        if result.structured_content is not None:
            yield JSONMessage(result.structured_content)


def messages_of(block: Any) -> Iterator[ToolMessage]:
    """Of a content block of the protocol; kinds that this one does not know say nothing."""
    if block.type == "text":
        yield TextMessage(block.text)
    elif block.type in ("image", "audio"):
        yield blob(block.data, block.mime_type)
    elif block.type == "resource_link":
        yield LinkMessage(str(block.uri))
    elif block.type == "resource":
        resource = block.resource
        text = getattr(resource, "text", None)
        yield TextMessage(text) if text is not None else blob(resource.blob, resource.mime_type or "application/octet-stream")


def blob(data: str, mime_type: str) -> BlobMessage:
    return BlobMessage(base64.b64decode(data), mime_type, extension_of_mime(mime_type) or ".bin")


def offered_by(url: str, headers: Mapping[str, str], http: HTTPClient, cancellation: Cancellation) -> list[dict[str, Any]]:
    """``{"name", "description", "schema"}`` of each tool of a server. Raises ``NodeError``."""
    from worker.tools.mcp_client import converse

    async def work(client: Client) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        cursor: str | None = None
        for _ in range(MAX_PAGES):
            page = await client.list_tools(cursor=cursor)
            found += [{"name": tool.name, "description": tool.description or "", "schema": tool.input_schema} for tool in page.tools]
            cursor = page.next_cursor
            if not cursor:
                break
        return found

    return converse(url, dict(headers), http, cancellation, work)


def tools_of(definition: Mapping[str, Any], headers: Mapping[str, str]) -> dict[str, MCPTool]:
    """By name, out of what was stored: ``{"url", "tools"}``. Raises ``DescriptionError`` for a schema that cannot be read."""
    return {
        tool["name"]: MCPTool(tool["name"], tool["description"], parameters_of(tool["schema"]), definition["url"], headers)
        for tool in definition["tools"]
    }
