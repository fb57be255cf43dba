"""Does the watchdog of a blocked event loop cost anything?"""

from __future__ import annotations

from functools import partial

from aiofutures import AsyncExecutor

from ._lines import Effort, Line, Samples
from ._pairs import alternate
from ._tasks import TRIVIAL, burst

_COUNT = 10_000
_TIMEOUT = 0.5  # seconds


def measure(effort: Effort) -> Samples:
    """Take turns."""
    count = effort.tasks(_COUNT)
    with AsyncExecutor(blocked_loop_timeout=_TIMEOUT) as watched, AsyncExecutor() as unwatched:
        return alternate(
            partial(burst, watched.submit, TRIVIAL.asynchronous, count),
            partial(burst, unwatched.submit, TRIVIAL.asynchronous, count),
            4 * effort.rounds,  # a difference this small takes more of them
        )


LINES = [
    Line(
        "10,000 trivial submits, watched for blocks of 0.5 s",
        "not watched",
        "µs",
        0.98,
        measure,
        target_without_eager_tasks=0.98,
    )
]
