"""Fetch thousands of pages on a cluster of this machine, and lose a worker, but no page.

It starts a web server, a Dask cluster of two worker processes and an executor over it. When a third
of the pages are there, it kills a worker. Dask runs that worker's calls again. The exit status is 1
if a page is missing or wrong.
"""

import argparse
import asyncio
import os
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import aiohttp
from aiohttp import web
from distributed import Client, LocalCluster
from tqdm import tqdm

from aiofutures import to_sync
from aiofutures.dask import DaskExecutor

# All of it listens on this machine alone.
LOOPBACK = {
    "host": "127.0.0.1",
    "dashboard_address": "127.0.0.1:0",
    "worker_dashboard_address": "127.0.0.1:0",
}


class Page(NamedTuple):
    """A page, and the process that has fetched it."""

    url: str
    text: str
    process: int


async def fetch(url: str) -> Page:
    """Fetch a page."""
    async with aiohttp.ClientSession() as session, session.get(url) as response:
        response.raise_for_status()
        return Page(url, await response.text(), os.getpid())


def fetch_all(executor: DaskExecutor, urls: Sequence[str]) -> list[Page]:
    """Fetch all pages, and kill a worker in the middle of it."""
    client: Any = executor.client
    victim = min(client.run(os.getpid).values())
    pages: list[Page] = []
    results = executor.map(fetch, urls).as_completed()
    for page in tqdm(results, "pages", total=len(urls)):
        pages.append(page)
        if len(pages) == len(urls) // 3:
            os.kill(victim, signal.SIGTERM if sys.platform == "win32" else signal.SIGKILL)
            print(f"killed the worker process {victim}")
    return pages


@to_sync
@asynccontextmanager
async def web_server() -> AsyncIterator[str]:
    """Serve a page at each path, after 0.2 seconds; give the URL."""

    async def respond(request: web.Request) -> web.Response:
        await asyncio.sleep(0.2)
        return web.Response(text=f"This is {request.path}")

    application = web.Application()
    application.router.add_get("/{name}", respond)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0, backlog=4096).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


def main() -> int:
    """Fetch the pages and tell how that went; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=5000, help="number of pages (default: 5000)")
    count: int = parser.parse_args().count
    # Any: nothing of Dask's is typed.
    start_cluster: Any = LocalCluster
    connect: Any = Client
    with (
        web_server() as url,
        start_cluster(n_workers=2, threads_per_worker=1, **LOOPBACK) as cluster,
        connect(cluster) as client,
        DaskExecutor(client, max_concurrency=200) as executor,
    ):
        urls = [f"{url}/{number}" for number in range(count)]
        pages = fetch_all(executor, urls)

    right = {page.url for page in pages if page.text == f"This is {page.url[len(url) :]}"}
    print(f"{len(pages)} pages, {count - len(right)} missing or wrong")
    for process, number in Counter(page.process for page in pages).items():
        print(f"{number} by the worker process {process}")
    return int(len(pages) != count or right != {*urls})


if __name__ == "__main__":
    sys.exit(main())
