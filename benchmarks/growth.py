"""Does a task cost more when there are more of them?"""

from __future__ import annotations

from functools import partial

from . import peers
from ._child import in_child
from ._lines import GROWTH, Effort, Line, Samples
from .asleep import ALONE
from .in_flight import cost

_MANY = 100_000
_FEW = 1_000


def measure(name: str, effort: Effort) -> Samples:
    """Return the µs of CPU per task with many and with few tasks in flight."""
    counts = (effort.tasks(_MANY), effort.tasks(_FEW))
    pairs = [[cpu_per_task(name, count) for count in counts] for _ in range(effort.processes)]
    return Samples([many for many, _ in pairs], [few for _, few in pairs])


def cpu_per_task(name: str, count: int) -> float:
    """Return the µs of CPU per task with so many in flight, in a new process."""
    return in_child(cost, name, count)["cpu"] / count * 1e6


LINES = [
    Line(
        "growth: CPU per task, 100,000 in flight",
        "1,000 in flight",
        "µs",
        1.5,
        partial(measure, peers.AIOFUTURES),
        GROWTH,
        1.5,
    ),
    Line(f"the same with {ALONE}", "1,000 in flight", "µs", None, partial(measure, ALONE), GROWTH),
]
