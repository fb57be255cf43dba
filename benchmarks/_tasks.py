"""The tasks that the libraries run, and how long they take."""

from __future__ import annotations

import asyncio
import sys
import threading
import time
from collections.abc import Callable, Coroutine
from typing import Any

from .peers import Peer, Submit, Task, load


async def _do_nothing() -> None:
    pass


def _do_nothing_in_thread() -> None:
    pass


async def _turn() -> None:
    await asyncio.sleep(0)


def _turn_in_thread() -> None:
    time.sleep(0)


async def _sleep() -> None:
    await asyncio.sleep(1)


def _sleep_in_thread() -> None:
    time.sleep(1)


#: Nothing, with a turn of the event loop, or a second of sleep.
TRIVIAL = Task(_do_nothing, _do_nothing_in_thread)
TURN = Task(_turn, _turn_in_thread)
SLEEP = Task(_sleep, _sleep_in_thread)


class Gate:
    """Holds tasks until it is opened, so that all of them are in flight at once."""

    def __init__(self) -> None:
        self._for_tasks = asyncio.Event()
        self._for_threads = threading.Event()
        self.wait = Task(self._for_tasks.wait, self._for_threads.wait)

    def open(self, peer: Peer, submit: Submit) -> None:
        """Let all of them go on."""
        if peer.threaded:
            self._for_threads.set()
        else:
            submit(self.open_for_tasks)

    async def open_for_tasks(self) -> None:
        """Let the tasks of the running event loop go on."""
        self._for_tasks.set()


def start(coroutine: Coroutine[Any, Any, Any]) -> asyncio.Task[object]:
    """Start a task in the running event loop, at once where Python can do that."""
    loop = asyncio.get_running_loop()
    if sys.version_info >= (3, 12):
        return asyncio.Task(coroutine, loop=loop, eager_start=True)
    return asyncio.Task(coroutine, loop=loop)


def burst(submit: Submit, function: Callable[[], object], count: int) -> float:
    """Submit `count` tasks, then collect their results; return the µs per task."""
    begin = time.perf_counter()
    futures = [submit(function) for _ in range(count)]
    for future in futures:
        future.result()
    return (time.perf_counter() - begin) / count * 1e6


def one_at_a_time(call: Callable[[], object], count: int) -> float:
    """Call `count` times; return the µs per call."""
    begin = time.perf_counter()
    for _ in range(count):
        call()
    return (time.perf_counter() - begin) / count * 1e6


def burst_of(name: str, task: Task, count: int) -> float:
    """Return the µs per task of a burst with a library, started for it."""
    peer: Peer = load(name)
    with peer.submitting() as submit:
        burst(submit, peer.function(task), max(2, count // 10))
        return burst(submit, peer.function(task), count)
