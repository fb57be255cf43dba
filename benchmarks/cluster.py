"""Is a cluster faster through `DaskExecutor` than by hand, or through others?"""

from __future__ import annotations

import pkgutil
from functools import partial
from statistics import median

from ._child import in_child
from ._lines import Effort, Line, Samples, Scale

_COUNT = 10_000
_TRIVIAL = "10,000 trivial on a cluster"
_ASLEEP = "10,000 sleeps of 0.1 s on a cluster"
_DASK = "`client.map`, {} per worker"
_POOL = "aiomultiprocess"

#: The slowest round, in terms of the median.
STEADY = Scale(
    lambda samples: max(samples.ours) / median(samples.ours), "{:.1f}x", more_is_better=False
)


def measure(name: str, effort: Effort) -> Samples:
    """Start a cluster of two workers in a new process, and measure there."""
    rounds = min(effort.rounds, 7)
    # In the child too, only these need the modules.
    function = pkgutil.resolve_name(f"{__package__}._cluster:{name}")
    ours, theirs = in_child(function, rounds, effort.tasks(_COUNT))
    return Samples(ours, theirs)


def _line(work: str, against: str, target: float, name: str, unit: str = "µs") -> Line:
    return Line(work, against, unit, target, partial(measure, name))


LINES = [
    _line(_TRIVIAL, _DASK.format("1 thread"), 40, "trivial_one_thread"),
    _line(_TRIVIAL, _DASK.format("1,000 threads"), 10, "trivial_many_threads"),
    _line(_TRIVIAL, "chunks of 200 by hand", 1, "trivial_chunks"),
    _line(_TRIVIAL, f"{_POOL}, map", 0.9, "trivial_pool"),
    _line(_TRIVIAL, f"{_POOL}, apply", 2.5, "apply_pool"),
    _line(_ASLEEP, _DASK.format("1,000 threads"), 10, "asleep_many_threads"),
    _line(_ASLEEP, f"{_POOL}, map", 0.9, "asleep_pool"),
    _line("one call on a cluster", "`client.submit().result()`", 0.9, "one_at_a_time", "ms"),
    Line(
        f"{_TRIVIAL}, slowest round",
        "the median",
        "µs",
        1.6,
        partial(measure, "trivial_chunks"),
        STEADY,
    ),
]
