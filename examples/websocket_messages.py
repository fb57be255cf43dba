"""Talk over a WebSocket and read the answers in a `for` loop, with `websockets`.

By hand: a thread that runs an event loop, the connection in a task of that loop, two queues for
the messages of both directions, and an agreement on how either side tells the other to stop.
"""

from websockets.asyncio.client import connect

from aiofutures import to_sync, to_sync_context, to_sync_iter


def main(url: str) -> None:
    """Count down."""
    with to_sync_context(connect)(url, proxy=None) as connection:
        send = to_sync(connection.send)
        send("3")
        for message in to_sync_iter(connection.__aiter__)():
            print(message)
            if message == "0":
                break
            send(str(int(message) - 1))


if __name__ == "__main__":
    from servers import run, websocket_server

    run(main, websocket_server)
