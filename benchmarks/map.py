"""Is `map` faster than a loop that submits?"""

from __future__ import annotations

from functools import partial

from aiofutures import AsyncExecutor

from ._lines import Effort, Line, Samples
from ._pairs import alternate
from ._tasks import one_at_a_time

_COUNT = 10_000


async def _echo(number: int) -> int:
    return number


def with_map(executor: AsyncExecutor, count: int) -> float:
    """Map over so many numbers; return the µs per number."""
    return one_at_a_time(lambda: list(executor.map(_echo, range(count))), 1) / count


def with_loop(executor: AsyncExecutor, count: int) -> float:
    """Submit in a loop and collect; return the µs per number."""

    def submit_and_collect() -> list[int]:
        futures = [executor.submit(_echo, number) for number in range(count)]
        return [future.result() for future in futures]

    # The futures die at its end: `map` lets go of them one by one.
    return one_at_a_time(submit_and_collect, 1) / count


def measure(effort: Effort) -> Samples:
    """Take turns."""
    count = effort.tasks(_COUNT)
    with AsyncExecutor() as executor:
        return alternate(
            partial(with_map, executor, count),
            partial(with_loop, executor, count),
            4 * effort.rounds,  # a difference this small takes more of them
        )


LINES = [Line("`map` of 10,000 trivial", "own submits in a loop", "µs", 1.2, measure)]
