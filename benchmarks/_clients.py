"""Ways to fetch a page many times. Each returns how many of the answers were right."""

from __future__ import annotations

import asyncio
import importlib
import itertools
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import aiohttp
import httpx
import requests
import urllib3

from aiofutures import AsyncExecutor, to_sync

from ._server import PAGE

_TIMEOUT = 120.0


def requests_in_threads(threads: int, url: str, count: int) -> int:
    """Fetch with requests, one session per thread."""
    local = threading.local()

    def open_session() -> None:
        local.session = requests.Session()
        local.session.trust_env = False  # no search for a proxy at each request

    def is_right(_: int) -> bool:
        response = local.session.get(url, timeout=_TIMEOUT)
        return bool(response.content == PAGE)

    with ThreadPoolExecutor(threads, initializer=open_session) as executor:
        return sum(executor.map(is_right, range(count)))


def urllib3_in_threads(threads: int, url: str, count: int) -> int:
    """Fetch with urllib3, one pool of connections for all threads."""
    with urllib3.PoolManager(maxsize=threads, timeout=_TIMEOUT) as pool:

        def is_right(_: int) -> bool:
            return pool.request("GET", url).data == PAGE

        with ThreadPoolExecutor(threads) as executor:
            return sum(executor.map(is_right, range(count)))


def aiohttp_on_loop(loop: str, url: str, count: int) -> int:
    """Fetch with aiohttp, all at once."""

    async def is_right(session: aiohttp.ClientSession) -> bool:
        async with session.get(url) as response:
            return await response.read() == PAGE

    with AsyncExecutor(loop_factory=_loop_factory(loop)) as executor:

        @to_sync(executor=executor)
        def new_session() -> aiohttp.ClientSession:
            timeout = aiohttp.ClientTimeout(total=_TIMEOUT)
            return aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), timeout=timeout)

        with new_session() as session:
            return sum(executor.map(is_right, itertools.repeat(session, count)))


def httpx_on_loop(loop: str, url: str, count: int) -> int:
    """Fetch with httpx, as many at once as it allows connections by default.

    It looks through all its connections and all waiting requests for each request: with 2,000 at
    once a request takes 20 ms of CPU.
    """

    async def is_right(client: httpx.AsyncClient) -> bool:
        return (await client.get(url)).content == PAGE

    with AsyncExecutor(max_workers=100, loop_factory=_loop_factory(loop)) as executor:

        @to_sync(executor=executor)
        def new_client() -> httpx.AsyncClient:
            return httpx.AsyncClient(timeout=_TIMEOUT, trust_env=False)

        with new_client() as client:
            return sum(executor.map(is_right, itertools.repeat(client, count)))


def _loop_factory(name: str) -> Callable[[], asyncio.AbstractEventLoop]:
    new_loop: Callable[[], asyncio.AbstractEventLoop]
    new_loop = importlib.import_module(name).new_event_loop
    return new_loop
