"""Does the watchdog of a blocked event loop cost anything?"""

from __future__ import annotations

import time
from functools import partial

from aiofutures import AsyncExecutor

from ._lines import Effort, Line, Samples
from ._pairs import alternate

_COUNT = 10_000
_TIMEOUT = 0.5  # seconds


async def _echo(number: int) -> int:
    return number


def burst(executor: AsyncExecutor, count: int) -> float:
    """Submit so many calls and collect; return the µs of each."""
    begin = time.perf_counter()
    futures = [executor.submit(_echo, number) for number in range(count)]
    for future in futures:
        future.result()
    return (time.perf_counter() - begin) / count * 1e6


def measure(effort: Effort) -> Samples:
    """Take turns."""
    count = effort.tasks(_COUNT)
    with AsyncExecutor(blocked_loop_timeout=_TIMEOUT) as watched, AsyncExecutor() as unwatched:
        return alternate(
            partial(burst, watched, count), partial(burst, unwatched, count), effort.rounds
        )


LINES = [
    Line(
        "10,000 trivial submits, watched for blocks of 0.5 s",
        "not watched",
        "µs",
        0.98,
        measure,
        target_without_eager_tasks=0.98,
    )
]
