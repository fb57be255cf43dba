"""What do many tasks cost that wait all at once?"""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from functools import cache, partial
from typing import TypedDict

from . import peers
from ._child import in_child
from ._lines import Effort, Line, Samples
from ._resources import peak_memory, start_of_peak
from ._tasks import SLEEP, TRIVIAL, start

#: No library and no thread: what Python takes anyway.
ALONE = "asyncio alone"


class Cost(TypedDict):
    """What the tasks have cost: seconds, and kB per task at the peak."""

    wall: float
    cpu: float
    memory: float


def cost(name: str, count: int) -> Cost:
    """Have so many tasks sleep for a second and return what that costs."""
    if name == ALONE:
        return asyncio.run(cost_alone(SLEEP, count))
    peer = peers.load(name)
    with peer.submitting(count) as submit:
        submit(peer.function(TRIVIAL)).result()
        function = peer.function(SLEEP)
        with measuring(count) as cost:
            futures = [submit(function) for _ in range(count)]
            for future in futures:
                future.result()
    return cost


async def cost_alone(
    work: peers.Task, count: int, then: Callable[[], Awaitable[object]] = TRIVIAL.asynchronous
) -> Cost:
    """Return what so many tasks of this event loop cost; `then` comes when all of them wait."""
    await start(TRIVIAL.asynchronous())
    with measuring(count) as cost:
        tasks = [start(work.asynchronous()) for _ in range(count)]
        await then()
        for task in tasks:
            await task
    return cost


@contextmanager
def measuring(count: int) -> Iterator[Cost]:
    """Measure what so many tasks cost that run in the block."""
    cost: Cost = {"wall": 0, "cpu": 0, "memory": 0}
    gc.collect()
    before, wall, cpu = start_of_peak(), time.perf_counter(), time.process_time()
    yield cost
    cost["wall"], cost["cpu"] = time.perf_counter() - wall, time.process_time() - cpu
    cost["memory"] = (peak_memory() - before) / count


@cache
def _costs(against: str, count: int, rounds: int) -> list[tuple[Cost, Cost]]:
    """Measure both sides in alternation, each time in new processes."""
    sides = (peers.AIOFUTURES, against)
    if against == peers.THREADS:  # so many threads are a burden on the rest of the machine
        rounds = min(rounds, 2)
    pairs = ([in_child(cost, side, count) for side in sides] for _ in range(rounds))
    return [(ours, theirs) for ours, theirs in pairs]


def measure_wall(against: str, count: int, effort: Effort) -> Samples:
    """Return the seconds that pass."""
    pairs = _costs(against, effort.tasks(count), effort.processes)
    return Samples([ours["wall"] for ours, _ in pairs], [theirs["wall"] for _, theirs in pairs])


def measure_cpu(against: str, count: int, effort: Effort) -> Samples:
    """Return the seconds of CPU."""
    pairs = _costs(against, effort.tasks(count), effort.processes)
    return Samples([ours["cpu"] for ours, _ in pairs], [theirs["cpu"] for _, theirs in pairs])


def measure_memory(against: str, count: int, effort: Effort) -> Samples:
    """Return the kB per task."""
    pairs = _costs(against, effort.tasks(count), effort.processes)
    return Samples([ours["memory"] for ours, _ in pairs], [theirs["memory"] for _, theirs in pairs])


_ASLEEP = "10,000 tasks asleep for 1 s"
_POOL = "ThreadPoolExecutor(10,000)"
_FIRST = peers.FIRST_VERSION

LINES = [
    Line(f"{_ASLEEP}: CPU", _FIRST, "s", 3, partial(measure_cpu, _FIRST, 10_000)),
    Line(f"{_ASLEEP}: CPU", _POOL, "s", 15, partial(measure_cpu, peers.THREADS, 10_000)),
    Line(f"{_ASLEEP}: CPU", ALONE, "s", None, partial(measure_cpu, ALONE, 10_000)),
    Line(f"{_ASLEEP}: memory", _FIRST, "kB", 3, partial(measure_memory, _FIRST, 10_000)),
    Line(f"{_ASLEEP}: memory", _POOL, "kB", 10, partial(measure_memory, peers.THREADS, 10_000)),
    Line(f"{_ASLEEP}: memory", ALONE, "kB", None, partial(measure_memory, ALONE, 10_000)),
    Line(
        "100,000 tasks asleep for 1 s: wall",
        _FIRST,
        "s",
        2.5,
        partial(measure_wall, _FIRST, 100_000),
    ),
]
