"""An MCP server with a few tools, over its standard input and output."""

import asyncio
import sys

from mcp.server import MCPServer

server = MCPServer("tests")


@server.tool()
async def add(a: int, b: int) -> int:
    """Add two numbers."""
    await asyncio.sleep(0.01)
    return a + b


@server.tool()
async def hold() -> str:
    """Never answer."""
    print("holds", file=sys.stderr, flush=True)
    await asyncio.sleep(3600)
    return ""


if __name__ == "__main__":
    server.run()
