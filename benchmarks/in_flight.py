"""How do CPU and memory grow with the tasks in flight?"""

from __future__ import annotations

import asyncio

from . import peers
from ._child import ChildError, in_child
from ._lines import Effort
from ._tasks import TRIVIAL, Gate
from .asleep import ALONE, Cost, cost_alone, measuring

_COUNTS = (1_000, 3_000, 10_000, 30_000, 100_000)
_MOST_THREADS = 3_000  # with more, the rest of the machine stands still
_LIBRARIES = (peers.AIOFUTURES, peers.FIRST_VERSION, peers.ANYIO, peers.THREADS)

#: For each library: tasks in flight, seconds of CPU, MB.
Curves = dict[str, list[tuple[int, float, float]]]


def cost(name: str, count: int) -> Cost:
    """Have so many tasks wait until all of them do, and return what that costs."""
    gate = Gate()
    if name == ALONE:
        return asyncio.run(cost_alone(gate.wait, count, gate.open_for_tasks))
    peer = peers.load(name)
    with peer.submitting(count) as submit:
        submit(peer.function(TRIVIAL)).result()
        function = peer.function(gate.wait)
        with measuring(count) as cost:
            futures = [submit(function) for _ in range(count)]
            gate.open(peer, submit)
            for future in futures:
                future.result()
    return cost


def measure(effort: Effort) -> Curves:
    """Have ever more tasks wait at once, each time in a new process."""
    return {name: _curve(name, effort) for name in _LIBRARIES}


def _curve(name: str, effort: Effort) -> list[tuple[int, float, float]]:
    points = []
    for full in _COUNTS:
        if name == peers.THREADS and full > _MOST_THREADS:
            break
        count = effort.tasks(full)
        try:
            costs = in_child(cost, name, count)
        except ChildError:
            break  # not installed, or more threads than this system has
        points.append((count, costs["cpu"], costs["memory"] * count / 1024))
    return points


def report(measured: Curves) -> str:
    """Return the curves as a table."""
    rows = ["| library | in flight | CPU s | peak MB added |", "|---|---:|---:|---:|"]
    for name, points in measured.items():
        rows += [f"| {name} | {count:,} | {cpu:.3f} | {mb:.1f} |" for count, cpu, mb in points]
    return "\n".join(rows)
