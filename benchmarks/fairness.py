"""How late does a timer fire while very many tasks are pushed through?"""

from __future__ import annotations

import asyncio
import threading

from aiofutures import AsyncExecutor

from ._child import in_child
from ._lines import WORST, Effort, Line, Samples
from ._tasks import TRIVIAL, burst

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


def latest(count: int) -> float:
    """Return how many ms a ticker is late at most while `count` tasks run."""
    started, stopped = threading.Event(), threading.Event()
    with AsyncExecutor() as executor:
        ticker = executor.submit(tick, started, stopped)
        started.wait()
        burst(executor.submit, TRIVIAL.asynchronous, count)
        stopped.set()
        return ticker.result()


def measure(effort: Effort) -> Samples:
    """Look several times, each time in a new process."""
    count = effort.tasks(_COUNT)
    return Samples([in_child(latest, count) for _ in range(2 * effort.processes)])


LINES = [
    Line(
        "fairness: a 5 ms ticker under 100,000 trivial tasks",
        "its own clock",
        "ms late",
        50,
        measure,
        WORST,
        50,
    )
]
