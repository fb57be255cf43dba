"""Measuring two sides in alternation."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable

from ._lines import Samples


def alternate(ours: Callable[[], float], theirs: Callable[[], float], rounds: int) -> Samples:
    """Measure both sides in turn, after one turn of each that does not count.

    Each is the first in every other round, as whoever comes second may find the machine otherwise.
    """
    _measure(ours)
    _measure(theirs)
    samples: tuple[list[float], list[float]] = ([], [])
    sides = [(ours, samples[0]), (theirs, samples[1])]
    for _ in range(rounds):
        for side, times in sides:
            times.append(_measure(side))
        sides.reverse()
    return Samples(*samples)


def _measure(side: Callable[[], float]) -> float:
    """Measure one side, with a heap that has no garbage of the other one."""
    gc.collect()
    return side()


def pin() -> None:
    """Keep this process and its children on one CPU, where the system can do that."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})


def unpin() -> None:
    """Let this process have all CPUs."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, range(os.cpu_count() or 1))
