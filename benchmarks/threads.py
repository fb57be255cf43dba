"""What does a task cost when several threads submit at once?"""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from . import peers
from ._child import in_child
from ._lines import Effort, Line, Samples
from ._tasks import TRIVIAL, burst

_THREADS = 8
_COUNT = 2_500  # of each thread


def per_task(name: str, count: int) -> float:
    """Have the threads submit and collect so many tasks each; return the µs per task."""
    peer = peers.load(name)
    barrier = threading.Barrier(_THREADS + 1)
    with peer.submitting() as submit, ThreadPoolExecutor(_THREADS) as pool:
        function = peer.function(TRIVIAL)

        def submit_and_collect() -> None:
            barrier.wait()
            burst(submit, function, count)

        burst(submit, function, 100)
        threads = [pool.submit(submit_and_collect) for _ in range(_THREADS)]
        barrier.wait()
        begin = time.perf_counter()
        for thread in threads:
            thread.result()
        return (time.perf_counter() - begin) / (_THREADS * count) * 1e6


def measure(against: str, effort: Effort) -> Samples:
    """Take turns with another library, each time in new processes."""
    count = effort.tasks(_COUNT)
    sides = (peers.AIOFUTURES, against)
    pairs = [
        [in_child(per_task, side, count) for side in sides] for _ in range(2 * effort.processes)
    ]
    return Samples([ours for ours, _ in pairs], [theirs for _, theirs in pairs])


LINES = [
    Line(
        "8 threads submitting at once",
        peers.FIRST_VERSION,
        "µs",
        4,
        partial(measure, peers.FIRST_VERSION),
    )
]
