"""How late does a timer fire while very many tasks are pushed through?"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from functools import partial

from aiofutures import AsyncExecutor

from ._child import in_child
from ._lines import WORST, Effort, Line, Samples
from ._tasks import TRIVIAL, burst
from .peers import Submit

_COUNT = 100_000
_PERIOD = 0.005


async def tick(started: threading.Event, stopped: threading.Event) -> float:
    """Sleep for 5 ms again and again; return the most ms that it took longer."""
    loop = asyncio.get_running_loop()
    worst = 0.0
    started.set()
    while not stopped.is_set():
        due = loop.time() + _PERIOD
        await asyncio.sleep(_PERIOD)
        worst = max(worst, loop.time() - due)
    return worst * 1000


def latest(count: int, *, keep: bool) -> float:
    """Return how many ms a ticker is late at most while `count` tasks run."""
    started, stopped = threading.Event(), threading.Event()
    with AsyncExecutor() as executor:
        ticker = executor.submit(tick, started, stopped)
        started.wait()
        if keep:
            burst(executor.submit, TRIVIAL.asynchronous, count)
        else:
            push(executor.submit, TRIVIAL.asynchronous, count)
        stopped.set()
        return ticker.result()


def push(submit: Submit, function: Callable[[], object], count: int) -> None:
    """Submit `count` tasks, forget their futures and wait for the last one."""
    for _ in range(count - 1):
        submit(function)
    submit(function).result()


def measure(effort: Effort, *, keep: bool) -> Samples:
    """Look several times, each time in a new process."""
    count = effort.tasks(_COUNT)
    return Samples([in_child(latest, count, keep=keep) for _ in range(2 * effort.processes)])


def _line(work: str, *, keep: bool) -> Line:
    return Line(work, "its own clock", "ms", 50, partial(measure, keep=keep), WORST, 50)


LINES = [
    _line("fairness: a 5 ms ticker under 100,000 trivial tasks", keep=False),
    _line("the same, with all the futures kept for Python to collect", keep=True),
]
