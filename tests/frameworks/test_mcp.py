"""An MCP session over the standard input and output of a child process."""

import os
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from mcp import Client, ClientSession, MCPError, StdioServerParameters, stdio_client

from aiofutures import TimeoutError, shared, to_sync

pytestmark = pytest.mark.usefixtures("default_executor")

SERVER = StdioServerParameters(
    command=sys.executable,
    args=[str(Path(__file__).parent / "mcp_server.py")],
    env=dict(os.environ),
)


def number_of(result: Any) -> int:
    """Return the number that a tool has given."""
    return int(result.content[0].text)


def test_session() -> None:
    """A session is a `with` block; its methods are functions."""
    with to_sync(Client)(SERVER) as client:
        tools = to_sync(client.list_tools)().tools
        result = to_sync(client.call_tool)("add", {"a": 1, "b": 2})

    assert [tool.name for tool in tools] == ["add", "hold"]
    assert number_of(result) == 3


def test_layers() -> None:
    """The layers below can be entered one by one, each in a task of its own."""
    with (
        to_sync(stdio_client)(SERVER) as (read, write),
        to_sync(ClientSession)(read, write) as session,
    ):
        to_sync(session.initialize)()

        assert number_of(to_sync(session.call_tool)("add", {"a": 2, "b": 3})) == 5


def test_shared() -> None:
    """Threads share one session, which is one child process; closing it ends that."""
    client = shared(Client, SERVER)
    call = to_sync(client().call_tool)

    with ThreadPoolExecutor(10) as threads:
        results = threads.map(lambda n: number_of(call("add", {"a": n, "b": n})), range(50))
        assert [*results] == [2 * number for number in range(50)]

    before = children()
    client.close()
    assert len(children()) == len(before) - 1


def test_time_out() -> None:
    """A call that takes too long is cancelled; the session can be used further."""
    with to_sync(Client)(SERVER) as client:
        with pytest.raises(TimeoutError):
            to_sync(timeout=0.5)(client.call_tool)("hold")

        assert number_of(to_sync(client.call_tool)("add", {"a": 1, "b": 1})) == 2


def test_error() -> None:
    """An error is raised here, and as in async code, it leaves the block in a group of errors."""
    before = children()
    with pytest.RaisesGroup(MCPError, flatten_subgroups=True), to_sync(Client)(SERVER) as client:
        with pytest.raises(MCPError, match="Unknown resource"):
            to_sync(client.read_resource)("nothing://here")
        to_sync(client.read_resource)("nothing://here")

    assert children() == before


def children() -> set[str]:
    """Return the processes that this one has started and that run."""
    return {
        line
        for task in Path("/proc/self/task").iterdir()
        for line in (task / "children").read_text().split()
    }
