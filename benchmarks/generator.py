"""What does an item of an async generator cost in a `for` loop of synchronous code?"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial

from . import peers
from ._lines import Effort, Line, Samples
from ._pairs import alternate

_COUNT = 2_000


async def _count(stop: int) -> AsyncIterator[int]:
    for number in range(stop):
        yield number


def per_item(generate: Callable[[int], Iterator[int]], count: int) -> float:
    """Iterate once; return the µs per item."""
    begin = time.perf_counter()
    for _ in generate(count):
        pass
    return (time.perf_counter() - begin) / count * 1e6


def measure(against: str, effort: Effort) -> Samples:
    """Take turns with another library."""
    ours, theirs = peers.load(peers.TO_SYNC), peers.load(against)
    count = effort.tasks(_COUNT)
    with ours.iterating(_count) as iterate_ours, theirs.iterating(_count) as iterate_theirs:
        return alternate(
            partial(per_item, iterate_ours, count),
            partial(per_item, iterate_theirs, count),
            effort.rounds,
        )


LINES = [
    Line(
        "async generator through `to_sync`, per item",
        peers.SYNCHRONICITY,
        "µs",
        3,
        partial(measure, peers.SYNCHRONICITY),
    )
]
