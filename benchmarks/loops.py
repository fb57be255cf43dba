"""How much faster two event loops compute than one, without the GIL."""

from __future__ import annotations

import sys
import time
from functools import partial

from aiofutures import AsyncExecutor

from ._child import in_child
from ._lines import Effort, Line, Samples, Scale
from ._pairs import alternate, unpin

_COUNT = 400
_SECONDS = 50e-6


def _turns() -> int:
    """Return how many turns of a loop take the time of a call."""
    return int(10_000 * _SECONDS / min(_compute_for(10_000) for _ in range(100)))


def _compute_for(turns: int) -> float:
    begin = time.perf_counter()
    total = 0
    for number in range(turns):
        total += number
    return time.perf_counter() - begin


def _burst(executor: AsyncExecutor, turns: int, count: int) -> float:
    """Have the executor compute so many calls; return the µs per call."""

    async def compute() -> None:
        _compute_for(turns)

    begin = time.perf_counter()
    for future in [executor.submit(compute) for _ in range(count)]:
        future.result()
    return (time.perf_counter() - begin) / count * 1e6


def compare(count: int, rounds: int) -> tuple[list[float], list[float]]:
    """Have two loops and one compute in turn, on all CPUs."""
    unpin()
    turns = _turns()
    with AsyncExecutor(loops=2) as two, AsyncExecutor() as one:
        ours, theirs = (partial(_burst, executor, turns, count) for executor in (two, one))
        samples = alternate(ours, theirs, rounds)
    return list(samples.ours), list(samples.theirs)


def measure(effort: Effort) -> Samples:
    """Compare both in a new process."""
    return Samples(*in_child(compare, effort.tasks(_COUNT), 10 * effort.rounds))


_HAS_GIL = getattr(sys, "_is_gil_enabled", lambda: True)()

# The best of each: other programs take one of two CPUs more often than one.
BEST = Scale(lambda both: min(both.theirs) / min(both.ours), "{:.2f}x", more_is_better=True)

LINES = (
    []
    if _HAS_GIL
    else [Line("calls that compute 50 µs, 2 loops", "1 loop", "µs", 1.6, measure, BEST)]
)
