"""How do 5,000 requests of 100 ms each go, with threads and with an event loop?

Nothing is pinned here. On one CPU hundreds of threads spend a minute on waiting for each other.
"""

from __future__ import annotations

import pkgutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TypedDict

from ._child import ROOT, ChildError, in_child
from ._lines import Effort
from ._pairs import unpin
from ._resources import allow_files, count_threads, peak_memory, start_of_peak

_COUNT = 5_000

#: Each way to fetch: the function in `_clients`, and its argument.
WAYS: Mapping[str, tuple[str, int | str]] = {
    "requests, ThreadPoolExecutor(32)": ("requests_in_threads", 32),
    "requests, ThreadPoolExecutor(128)": ("requests_in_threads", 128),
    "requests, ThreadPoolExecutor(512)": ("requests_in_threads", 512),
    "urllib3, ThreadPoolExecutor(32)": ("urllib3_in_threads", 32),
    "urllib3, ThreadPoolExecutor(128)": ("urllib3_in_threads", 128),
    "urllib3, ThreadPoolExecutor(512)": ("urllib3_in_threads", 512),
    "aiohttp, AsyncExecutor, asyncio": ("aiohttp_on_loop", "asyncio"),
    "aiohttp, AsyncExecutor, uvloop": ("aiohttp_on_loop", "uvloop"),
    "httpx, AsyncExecutor(max_workers=100), asyncio": ("httpx_on_loop", "asyncio"),
    "httpx, AsyncExecutor(max_workers=100), uvloop": ("httpx_on_loop", "uvloop"),
}


class Load(TypedDict):
    """What one way costs: seconds, threads at most, and MB at the peak."""

    wall: float
    cpu: float
    threads: float
    memory: float


def measure(effort: Effort) -> dict[str, Load | None]:
    """Fetch in each way, each time in a new process; None where that has failed."""
    with serving() as url:
        return {way: _attempt(way, url, effort.tasks(_COUNT)) for way in WAYS}


def _attempt(way: str, url: str, count: int) -> Load | None:
    try:
        return in_child(fetch, *WAYS[way], url, count)
    except ChildError as error:
        print(f"{way}: {error}", file=sys.stderr)
        return None


@contextmanager
def serving() -> Iterator[str]:
    """Run the server in a process of its own; the block gets its address."""
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks._server"],
        cwd=ROOT,
        stdin=subprocess.PIPE,  # the server ends with it
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdout is not None  # it is a pipe
        try:
            yield process.stdout.readline().strip()
        finally:
            process.terminate()


def fetch(function: str, argument: int | str, url: str, count: int) -> Load:
    """Fetch the page so often in one way and return what that costs."""
    client: Callable[[int | str, str, int], int]
    client = pkgutil.resolve_name(f"{__package__}._clients:{function}")
    allow_files(count + 100)
    unpin()
    counts, ended = [0], threading.Event()

    def watch_threads() -> None:
        while not ended.wait(0.01):
            counts.append(count_threads() - 1)  # without this one

    watch = threading.Thread(target=watch_threads)
    watch.start()
    try:
        memory, wall, cpu = start_of_peak(), time.perf_counter(), time.process_time()
        right = client(argument, url, count)
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    finally:
        ended.set()
        watch.join()
    if right != count:
        raise RuntimeError(f"{count - right} of {count} pages were wrong")
    added = (peak_memory() - memory) / 1024
    return {"wall": wall, "cpu": cpu, "threads": max(counts), "memory": added}


def report(measured: Mapping[str, Load | None]) -> str:
    """Return the loads as a table."""
    rows = ["| way | wall s | CPU s | threads | peak MB added |", "|---|---:|---:|---:|---:|"]
    for way, load in measured.items():
        if load is None:
            rows.append(f"| {way} | failed | | | |")
            continue
        times = f"{load['wall']:.2f} | {load['cpu']:.2f}"
        rows.append(f"| {way} | {times} | {load['threads']:.0f} | {load['memory']:.0f} |")
    return "\n".join(rows)
