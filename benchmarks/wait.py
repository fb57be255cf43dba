"""What does it cost to submit a task and wait for it, one at a time?"""

from __future__ import annotations

from functools import partial

from . import peers
from ._lines import Effort, Line, Samples
from ._pairs import alternate
from ._tasks import TRIVIAL, one_at_a_time

_COUNT = 2_000


def measure(side: str, against: str, effort: Effort) -> Samples:
    """Take turns with another library."""
    ours, theirs = peers.load(side), peers.load(against)
    count = effort.tasks(_COUNT)
    with ours.calling(TRIVIAL) as call_ours, theirs.calling(TRIVIAL) as call_theirs:
        return alternate(
            partial(one_at_a_time, call_ours, count),
            partial(theirs.call_there, partial(one_at_a_time, call_theirs, count)),
            effort.rounds,
        )


def _line(work: str, side: str, against: str, target: float) -> Line:
    shown = "ThreadPoolExecutor(1)" if against == peers.THREADS else against
    return Line(work, shown, "µs", target, partial(measure, side, against))


_WAIT = "submit and wait, one at a time"

LINES = [
    _line(_WAIT, peers.AIOFUTURES, peers.FIRST_VERSION, 2),
    _line(_WAIT, peers.AIOFUTURES, peers.THREADS, 1),
    _line(_WAIT, peers.AIOFUTURES, peers.ANYIO, 5),
    _line(_WAIT, peers.AIOFUTURES, peers.ASGIREF, 12),
    _line("the same on uvloop", peers.AIOFUTURES_UVLOOP, peers.THREADS, 1.25),
]
