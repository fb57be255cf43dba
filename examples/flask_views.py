"""Serve async views with Flask, on one event loop and with one HTTP client for all of them.

By hand: Flask makes an event loop for each request, and no client can live longer than that.
"""

from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
from flask import Flask
from servers import http_server, run
from typing_extensions import override

from aiofutures import shared, to_sync

client = shared(httpx.AsyncClient, trust_env=False)  # a server here needs no proxy


class Application(Flask):
    """Runs all async views on one event loop."""

    @override
    def async_to_sync(self, func: Callable[..., Coroutine[Any, Any, Any]]) -> Callable[..., Any]:
        return to_sync(func)


app = Application(__name__)


@app.get("/lines")
async def count_lines() -> str:
    """Count the lines that another server sends."""
    response = await (await client).get(f"{app.config['URL']}/10")
    return str(len(response.text.splitlines()))


def main(url: str) -> None:
    """Ask for the view as the threads of a web server do."""
    app.config["URL"] = url
    with ThreadPoolExecutor(20) as threads:
        answers = threads.map(lambda _: app.test_client().get("/lines").text, range(100))
        print(sum(map(int, answers)))


if __name__ == "__main__":
    run(main, http_server)
