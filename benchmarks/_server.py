"""A web server whose page comes after 100 ms. It ends with its standard input."""

from __future__ import annotations

import asyncio
import socket
import sys

from aiohttp import web

from ._pairs import unpin
from ._resources import allow_files

LATENCY = 0.1
PAGE = b"x" * 1_000
_CONNECTIONS = 6_000


async def _respond(_: web.Request) -> web.Response:
    await asyncio.sleep(LATENCY)
    return web.Response(body=PAGE)


async def _serve() -> None:
    application = web.Application()
    application.router.add_get("/", _respond)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    listener = socket.create_server(("127.0.0.1", 0), backlog=_CONNECTIONS)
    await web.SockSite(runner, listener, backlog=_CONNECTIONS).start()
    print(f"http://127.0.0.1:{listener.getsockname()[1]}/", flush=True)
    await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    unpin()
    allow_files(_CONNECTIONS + 100)
    asyncio.run(_serve())
