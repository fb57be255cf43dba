"""How many requests does an async view answer in a second, under Flask and Django?"""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import repeat

from . import _sites
from ._child import in_child
from ._lines import RATE, Effort, Line, Samples

_COUNT = 2_000
_THREADS = 8


def per_second(framework: str, kind: str, threads: int, count: int) -> float:
    """Return how many requests threads get answered in a second."""
    send = _sites.load(framework, kind)
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(lambda _: send(), range(100)))
        begin = time.perf_counter()
        list(pool.map(lambda _: [send() for _ in range(count // threads)], range(threads)))
        return count // threads * threads / (time.perf_counter() - begin)


def measure(framework: str, against: str, threads: int, effort: Effort) -> Samples:
    """Take turns, each time in new processes."""
    rest = (threads, max(threads, effort.tasks(_COUNT)))
    pairs = [
        [in_child(per_second, framework, kind, *rest) for kind in ("ours", against)]
        for _ in repeat(None, 2 * effort.processes)
    ]
    return Samples([ours for ours, _ in pairs], [theirs for _, theirs in pairs])


def _lines(framework: str, own: str) -> list[Line]:
    one, many = (
        f"async view of {framework}, one thread",
        f"async view of {framework}, {_THREADS} threads",
    )
    run = partial(measure, framework)
    return [
        Line(one, own, "req/s", 2, partial(run, "own", 1), RATE, 2),
        Line(many, own, "req/s", 2, partial(run, "own", _THREADS), RATE, 2),
        Line(many, "a sync view", "req/s", None, partial(run, "sync", _THREADS), RATE),
    ]


LINES = [*_lines("Flask", "Flask's own way"), *_lines("Django", "Django's own way")]
