"""Call the tools of an MCP server from threads, over one session with one child process.

By hand: a thread that runs an event loop, a task there that keeps the session open, and
`run_coroutine_threadsafe(...).result()` around each call.
"""

import sys
from concurrent.futures import ThreadPoolExecutor

from mcp import Client, StdioServerParameters
from mcp.server import MCPServer
from mcp.types import TextContent

from aiofutures import shared, to_sync

server = MCPServer("calculator", log_level="ERROR")
client = shared(Client, StdioServerParameters(command=sys.executable, args=[__file__, "serve"]))


@server.tool()
def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


@to_sync(timeout=30)
async def call(tool: str, **arguments: int) -> str:
    """Call a tool of the server, which the first call starts."""
    result = await (await client).call_tool(tool, arguments)
    assert isinstance(result.content[0], TextContent)
    return result.content[0].text


def main() -> None:
    """Show the tools, and call one from ten threads."""
    print([tool.name for tool in to_sync(client().list_tools)().tools])
    with ThreadPoolExecutor(10) as threads:
        print(list(threads.map(lambda number: call("add", a=number, b=number), range(5))))


if __name__ == "__main__":
    if "serve" in sys.argv:
        server.run()
    else:
        main()
