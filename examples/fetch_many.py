"""Fetch hundreds of resources from synchronous code: with 32 threads, then with `aiofutures`.

A real web server runs beside it, in a process of its own on this machine. Each way to fetch has
a process of its own too, so that the figures in the table are fair. The exit status is 1 if any
body was wrong.
"""

import argparse
import asyncio
import concurrent.futures
import importlib.util
import itertools
import math
import multiprocessing
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from importlib.machinery import ModuleSpec
from multiprocessing.connection import Connection
from pathlib import Path
from random import Random
from typing import Any, cast

import aiohttp
import requests
from aiohttp import web
from tqdm import tqdm

from aiofutures import AsyncExecutor, in_executor, set_default_executor, to_sync

if sys.platform != "win32":
    import resource

# In a process that `multiprocessing` spawns: Python 3.15 warns of a traceback without it.
if __name__ == "__mp_main__":
    __spec__ = cast(ModuleSpec, importlib.util.spec_from_file_location(__name__, __file__))

THREADS = 32


def fetch_with_threads(urls: Sequence[str], digests: Sequence[str]) -> int:
    """Fetch all in a pool of threads; return how many bodies were wrong."""
    thread = threading.local()

    def open_session() -> None:
        thread.session = requests.Session()
        thread.session.trust_env = False  # as aiohttp: no search for a proxy at each request

    def is_right(url: str, digest: str) -> bool:
        response = thread.session.get(url, timeout=60)
        response.raise_for_status()
        return sha256(response.content).hexdigest() == digest

    with ThreadPoolExecutor(THREADS, initializer=open_session) as executor:
        futures = [executor.submit(is_right, *pair) for pair in zip(urls, digests, strict=True)]
        finished = concurrent.futures.as_completed(futures)
        bar = tqdm(finished, "threads", total=len(futures))
        return sum(not future.result() for future in bar)


@to_sync  # a call blocks until the session is there
async def open_session() -> aiohttp.ClientSession:
    """Open a session without aiohttp's own limit of 100 connections."""
    return aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))


@in_executor  # a call returns a future at once
async def close_session(session: aiohttp.ClientSession) -> None:
    """Close the connections."""
    await session.close()


async def is_right(session: aiohttp.ClientSession, url: str, digest: str) -> bool:
    """Fetch a body and tell whether it has the SHA-256 `digest`."""
    async with session.get(url) as response:
        response.raise_for_status()
        return sha256(await response.read()).hexdigest() == digest


def fetch_with_aiofutures(urls: Sequence[str], digests: Sequence[str], loop: str) -> int:
    """Fetch all on one event loop; return how many bodies were wrong."""
    loop_factory = importlib.import_module(loop).new_event_loop  # asyncio's or uvloop's
    os.environ["UV_THREADPOOL_SIZE"] = "1"  # uvloop starts 4 threads to look addresses up
    with AsyncExecutor(loop_factory=loop_factory) as executor:
        set_default_executor(executor)  # for the functions with a decorator
        session = open_session()
        try:
            results = executor.map(is_right, itertools.repeat(session), urls, digests)
            bar = tqdm(results.as_completed(), "aiofutures", total=len(results.futures))
            return sum(not right for right in bar)
        finally:
            close_session(session).result(timeout=10)


# What follows is the server and the stop-watch.


def body(number: int) -> bytes:
    """Return the body of a resource: 1 to 200 kB of noise, always the same for one number."""
    random = Random(number)
    return random.randbytes(random.randint(1_000, 200_000))


def serve(listener: socket.socket, count: int, latency: Sequence[float], corrupt: int) -> None:
    """Serve the bodies, the first `corrupt` of them backwards, until the parent process ends."""
    prepare_process(count)
    bodies = [body(number)[:: -1 if number < corrupt else 1] for number in range(count)]

    async def respond(request: web.Request) -> web.Response:
        number = int(request.match_info["number"])
        await asyncio.sleep(Random(number).uniform(*latency) / 1000)
        return web.Response(body=bodies[number])

    async def run() -> None:
        application = web.Application()
        application.router.add_get(r"/{number:\d+}", respond)
        runner = web.AppRunner(application, access_log=None)
        await runner.setup()
        await web.SockSite(runner, listener, backlog=count).start()
        parent = multiprocessing.parent_process()
        assert parent is not None
        await asyncio.to_thread(parent.join)  # returns after a crash of the parent too

    asyncio.run(run())


@contextmanager
def running(target: Callable[..., None], *args: Any) -> Iterator[None]:
    """Run `target` in a fresh interpreter and end that with the block."""
    process = multiprocessing.get_context("spawn").Process(target=target, args=args, daemon=True)
    process.start()
    try:
        yield
    finally:
        process.terminate()
        process.join()


def prepare_process(count: int) -> None:
    """Leave Ctrl-C to the parent, which ends this process, and allow `count` connections."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if sys.platform != "win32":
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if soft not in (resource.RLIM_INFINITY, hard) and soft < count + 100:
            resource.setrlimit(resource.RLIMIT_NOFILE, (count + 100, hard))


@dataclass(frozen=True)
class Figures:
    """What one way to fetch has cost; times in seconds, memory in MB."""

    wall: float
    cpu: float
    most_threads: int
    memory: float
    wrong: int


def measure(fetch: Callable[..., int], *args: Any) -> Figures:
    """Call `fetch` in a process of its own and return what that has cost."""
    receiver, sender = multiprocessing.Pipe(duplex=False)
    with running(send_figures, sender, fetch, *args), receiver:
        sender.close()  # the other process has it: if that fails, recv ends with an EOFError
        return cast("Figures", receiver.recv())  # a pipe has no types


def send_figures(sender: Connection, fetch: Callable[..., int], *args: Any) -> None:
    """Call `fetch` with a stop-watch in one hand."""
    prepare_process(len(args[0]))
    tqdm.monitor_interval = 0  # else it starts a thread
    tqdm.set_lock(threading.RLock())  # else it makes semaphores that somebody has to clean up
    counts = [0]
    ended = threading.Event()

    def watch_threads() -> None:
        while not ended.wait(0.01):
            counts.append(count_threads() - 1)  # without this one

    watch = threading.Thread(target=watch_threads)
    watch.start()
    try:
        memory, wall, cpu = peak_memory(), time.perf_counter(), time.process_time()
        wrong = fetch(*args)
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        memory = peak_memory() - memory
    finally:
        ended.set()
        watch.join()
    sender.send(Figures(wall, cpu, max(counts), memory, wrong))


def count_threads() -> int:
    """Count the threads of this process; without /proc, those that Python knows."""
    tasks = Path("/proc/self/task")
    return len(list(tasks.iterdir())) if tasks.exists() else threading.active_count()


def peak_memory() -> float:
    """Return the most memory in MB that this process has had so far; NaN where that is unknown."""
    if sys.platform == "win32":
        return math.nan
    status = Path("/proc/self/status")
    if status.exists():  # Linux, where getrusage would start with the peak of the parent
        return int(status.read_text(encoding="ascii").partition("VmHWM:")[2].split()[0]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def print_table(rows: Mapping[str, Figures]) -> None:
    """Print what each way has cost."""
    print(f"\n{'':<20}  wall s  CPU s  most threads  peak MB added  wrong bodies")
    for name, row in rows.items():
        times = f"{row.wall:8.2f}{row.cpu:7.2f}"
        print(f"{name:<20}{times}{row.most_threads:14}{row.memory:15.1f}{row.wrong:14}")


def parse_options() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    add = parser.add_argument
    add("--count", type=int, default=400, help="how many bodies")
    add("--latency", type=float, nargs=2, default=(50, 150), metavar="MS", help="least and most")
    loops = [name for name in ("asyncio", "uvloop") if importlib.util.find_spec(name)]
    add("--loop", choices=loops, default="asyncio", help="which event loop")
    add("--corrupt", type=int, default=0, help="how many bodies the server sends wrong")
    return parser.parse_args()


def main() -> int:
    """Run both ways, print the table and return the exit status."""
    options = parse_options()
    digests = [sha256(body(number)).hexdigest() for number in range(options.count)]
    listener = socket.create_server(("127.0.0.1", 0))
    server = f"http://127.0.0.1:{listener.getsockname()[1]}"
    urls = [f"{server}/{number}" for number in range(options.count)]
    with running(serve, listener, options.count, options.latency, options.corrupt):
        listener.close()  # the server has its own
        requests.get(f"{server}/0", timeout=60, proxies={"http": ""})  # wait until it answers
        threads = measure(fetch_with_threads, urls, digests)
        aiofutures = measure(fetch_with_aiofutures, urls, digests, options.loop)
    print_table({f"{THREADS} threads": threads, f"aiofutures, {options.loop}": aiofutures})
    return 1 if threads.wrong or aiofutures.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
