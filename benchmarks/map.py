"""Is `map` faster than a loop that submits?"""

from __future__ import annotations

import time
from functools import partial

from aiofutures import AsyncExecutor

from ._lines import Effort, Line, Samples
from ._pairs import alternate

_COUNT = 10_000


async def _echo(number: int) -> int:
    return number


def with_map(executor: AsyncExecutor, count: int) -> float:
    """Map over so many numbers; return the µs per number."""
    begin = time.perf_counter()
    list(executor.map(_echo, range(count)))
    return (time.perf_counter() - begin) / count * 1e6


def with_loop(executor: AsyncExecutor, count: int) -> float:
    """Submit in a loop and collect; return the µs per number."""
    begin = time.perf_counter()
    futures = [executor.submit(_echo, number) for number in range(count)]
    [future.result() for future in futures]
    return (time.perf_counter() - begin) / count * 1e6


def measure(effort: Effort) -> Samples:
    """Take turns."""
    count = effort.tasks(_COUNT)
    with AsyncExecutor() as executor:
        return alternate(
            partial(with_map, executor, count), partial(with_loop, executor, count), effort.rounds
        )


LINES = [Line("`map` of 10,000 trivial", "own submits in a loop", "µs", 1.2, measure)]
