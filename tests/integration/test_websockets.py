"""Messages of a WebSocket in a `for` loop."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.protocol import State

from aiofutures import to_sync

pytestmark = pytest.mark.usefixtures("default_executor")

send = to_sync(ClientConnection.send)
close = to_sync(ClientConnection.close)
messages = to_sync(ClientConnection.__aiter__)


@to_sync
@asynccontextmanager
async def connection(url: str) -> AsyncGenerator[ClientConnection, None]:
    """Connect."""
    async with connect(url, proxy=None) as websocket:
        yield websocket


def test_echo(websocket_url: str) -> None:
    """What is sent comes back, message by message, in order."""
    received = []

    with connection(websocket_url) as websocket:
        send(websocket, "0")
        for message in messages(websocket):
            received.append(message)
            if len(received) == 100:
                break
            send(websocket, str(len(received)))

    assert received == [str(number) for number in range(100)]
    assert websocket.state is State.CLOSED


def test_awaited(websocket_url: str) -> None:
    """`connect` itself can be awaited before all else: it gives the connection."""
    websocket = to_sync(connect)(websocket_url, proxy=None)

    send(websocket, "hello")
    assert next(messages(websocket)) == "hello"
    close(websocket)

    assert [*messages(websocket)] == []
    with pytest.raises(ConnectionClosed):
        send(websocket, "too late")
