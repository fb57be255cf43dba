"""What does the import of the package add to that of asyncio and concurrent.futures?"""

from __future__ import annotations

import os
import tempfile

from ._child import run_child
from ._lines import SHARE, Effort, Line, Samples

_SCRIPT = """
import time
begin = time.perf_counter()
import asyncio, concurrent.futures
middle = time.perf_counter()
import aiofutures
print(time.perf_counter() - middle, middle - begin)
"""


def measure(effort: Effort) -> Samples:
    """Import both in new processes, from bytecode; return the ms of each."""
    with tempfile.TemporaryDirectory() as folder:
        # Whatever this shell says of bytecode: there is some, and the measuring leaves none behind.
        env = {**os.environ, "PYTHONPYCACHEPREFIX": folder}
        env.pop("PYTHONDONTWRITEBYTECODE", None)
        run_child("-c", _SCRIPT, env=env)  # compiles
        times = [run_child("-c", _SCRIPT, env=env).split() for _ in range(2 * effort.rounds)]
    ours, theirs = zip(*times, strict=True)
    return Samples([1000 * float(time) for time in ours], [1000 * float(time) for time in theirs])


LINES = [
    Line(
        "`import aiofutures` adds",
        "asyncio, concurrent.futures",
        "ms",
        35,
        measure,
        SHARE,
        35,
    )
]
