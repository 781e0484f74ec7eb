"""A real MCP server over streamable HTTP, run as a process of its own: ``python mcp_server.py PORT``."""

from __future__ import annotations

import base64
import sys

import anyio
from mcp.server.mcpserver import Image, MCPServer

server = MCPServer("test")


@server.tool()
def add(first: int, second: int = 1) -> str:
    """Adds two numbers."""
    return f"{first + second}"


@server.tool()
def person(name: str) -> dict[str, str]:
    """Describes a person."""
    return {"name": name}


@server.tool()
def broken() -> str:
    """Fails."""
    raise ValueError


@server.tool()
def picture() -> Image:
    """Draws."""
    return Image(data=base64.b64decode("iVBORw0KGgo="), format="png")


@server.tool()
async def slow() -> str:
    """Takes its time."""
    await anyio.sleep(60)
    return "late"


if __name__ == "__main__":
    anyio.run(lambda: server.run_streamable_http_async(port=int(sys.argv[1])))
