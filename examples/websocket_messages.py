"""Talk over a WebSocket and read the answers in a `for` loop, with `websockets`.

By hand: a thread that runs an event loop, the connection in a task of that loop, two queues for
the messages of both directions, and an agreement on how either side tells the other to stop.
"""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from servers import run, websocket_server
from websockets.asyncio.client import ClientConnection, connect

from aiofutures import to_sync

send = to_sync(ClientConnection.send)
messages = to_sync(ClientConnection.__aiter__)


@to_sync
@asynccontextmanager
async def open_connection(url: str) -> AsyncGenerator[ClientConnection, None]:
    """Connect, and close the connection after the `with` block."""
    async with connect(url, proxy=None) as connection:
        yield connection


def main(url: str) -> None:
    """Count down."""
    with open_connection(url) as connection:
        send(connection, "3")
        for message in messages(connection):
            print(message)
            if message == "0":
                break
            send(connection, str(int(message) - 1))


if __name__ == "__main__":
    run(main, websocket_server)
