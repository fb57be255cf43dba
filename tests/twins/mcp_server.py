"""An MCP server, as a child process."""

import asyncio
from typing import Any

from mcp.server import MCPServer

server = MCPServer("shop")


@server.tool()
def add(one: int, other: int) -> int:
    """Add."""
    return one + other


@server.resource("shop://items")
def items() -> str:
    """Return the items."""
    return "pen, paper"


@server.resource("shop://items/{name}")
def item(name: str) -> str:
    """Return an item."""
    return name


@server.prompt()
def ask(what: str) -> str:
    """Ask."""
    return f"What about {what}?"


@server.completion()  # type: ignore[no-untyped-call, untyped-decorator, unused-ignore]
async def complete(ref: Any, argument: Any, context: Any) -> Any:
    """Complete."""
    from mcp.types import Completion

    return Completion(values=[argument.value + "!"])


if __name__ == "__main__":
    asyncio.run(server.run_stdio_async())
