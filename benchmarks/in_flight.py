"""How do CPU and memory grow with the tasks in flight?"""

from __future__ import annotations

from statistics import median

from . import peers
from ._child import ChildError, in_child
from ._lines import Effort
from ._tasks import TRIVIAL, Gate
from .asleep import Cost, measuring

_COUNTS = (1_000, 3_000, 10_000, 30_000, 100_000)
_MOST_THREADS = 10_000
_LIBRARIES = (peers.AIOFUTURES, peers.FIRST_VERSION, peers.ANYIO, peers.THREADS)

#: For each library: tasks in flight, seconds of CPU, MB.
Curves = dict[str, list[tuple[int, float, float]]]


def cost(name: str, count: int) -> Cost:
    """Have so many tasks wait until all of them do, and return what that costs."""
    peer, gate = peers.load(name), Gate()
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
    rounds = max(1, effort.processes // 2)
    return {name: _curve(name, effort, rounds) for name in _LIBRARIES}


def _curve(name: str, effort: Effort, rounds: int) -> list[tuple[int, float, float]]:
    points = []
    for full in _COUNTS:
        if name == peers.THREADS and full > _MOST_THREADS:
            break
        count = effort.tasks(full)
        try:
            costs = [in_child(cost, name, count) for _ in range(rounds)]
        except ChildError:
            break  # not installed, or more threads than this system has
        cpu = median(each["cpu"] for each in costs)
        memory = median(each["memory"] for each in costs) * count / 1024
        points.append((count, cpu, memory))
    return points


def report(measured: Curves) -> str:
    """Return the curves as a table."""
    rows = ["| library | in flight | CPU s | peak MB added |", "|---|---:|---:|---:|"]
    for name, points in measured.items():
        rows += [f"| {name} | {count:,} | {cpu:.3f} | {mb:.1f} |" for count, cpu, mb in points]
    return "\n".join(rows)
