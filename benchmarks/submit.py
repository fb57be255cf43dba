"""What does it cost to submit many tasks and to collect their results?"""

from __future__ import annotations

from functools import partial

from . import peers
from ._lines import Effort, Line, Samples
from ._pairs import alternate
from ._tasks import TRIVIAL, TURN, burst

_COUNT = 10_000


def measure(against: str, task: peers.Task, effort: Effort) -> Samples:
    """Take turns with another library."""
    ours, theirs = peers.load(peers.AIOFUTURES), peers.load(against)
    count = effort.tasks(_COUNT)
    with ours.submitting() as submit_ours, theirs.submitting() as submit_theirs:
        return alternate(
            partial(burst, submit_ours, ours.function(task), count),
            partial(burst, submit_theirs, theirs.function(task), count),
            effort.rounds,
        )


def _line(
    work: str, task: peers.Task, against: str, target: float, without_eager: float | None = None
) -> Line:
    shown = "ThreadPoolExecutor(1)" if against == peers.THREADS else against
    how = partial(measure, against, task)
    return Line(work, shown, "µs", target, how, target_without_eager_tasks=without_eager)


_BURST = "10,000 trivial submits, then collect"

LINES = [
    _line(_BURST, TRIVIAL, peers.FIRST_VERSION, 6.5, 2.8),
    _line(_BURST, TRIVIAL, peers.THREADS, 3, 1.3),
    _line(_BURST, TRIVIAL, peers.ANYIO, 22, 8),
    _line(_BURST, TRIVIAL, peers.THREADSAFE, 6, 2.8),
    _line("the same, each with one `sleep(0)`", TURN, peers.FIRST_VERSION, 3),
]
