"""What does a function cost that a task runs in a worker thread?"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from aiofutures import AsyncExecutor, in_caller_thread, to_sync

from ._lines import Effort, Line, Samples
from ._pairs import alternate
from ._tasks import TRIVIAL

_COUNT = 2_000
_ROUNDS = 1.5  # times those of the other questions

_Run = Callable[[Callable[[], object]], Awaitable[object]]
_Measure = Callable[[_Run, int], Coroutine[Any, Any, float]]


async def one_at_a_time(run: _Run, count: int) -> float:
    """Await so many calls, one after another; return the µs per call."""
    begin = time.perf_counter()
    for _ in range(count):
        await run(TRIVIAL.synchronous)
    return (time.perf_counter() - begin) / count * 1e6


async def many_at_once(run: _Run, count: int) -> float:
    """Await so many calls at once; return the µs per call."""
    begin = time.perf_counter()
    await asyncio.gather(*[run(TRIVIAL.synchronous) for _ in range(count)])
    return (time.perf_counter() - begin) / count * 1e6


@contextmanager
def event_loop() -> Iterator[Callable[[Any], Any]]:
    """Run an event loop of asyncio alone in a thread; yield what runs a coroutine there."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield lambda coroutine: asyncio.run_coroutine_threadsafe(coroutine, loop).result()
    finally:
        asyncio.run_coroutine_threadsafe(loop.shutdown_default_executor(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def measure(how: _Measure, effort: Effort) -> Samples:
    """Take turns with `asyncio.to_thread` on an event loop of asyncio's."""
    count = effort.tasks(_COUNT)
    with AsyncExecutor() as executor, event_loop() as run_there:
        return alternate(
            lambda: executor.submit(how, executor.sync_to_async, count).result(),
            lambda: float(run_there(how(asyncio.to_thread, count))),
            int(_ROUNDS * effort.rounds),
        )


def measure_in_caller(effort: Effort) -> Samples:
    """Take turns with empty `to_sync` calls."""
    count = effort.tasks(_COUNT)
    with AsyncExecutor() as executor:
        call = to_sync(executor=executor)(TRIVIAL.asynchronous)
        one_by_one = to_sync(executor=executor)(one_at_a_time)

        def calls() -> float:
            begin = time.perf_counter()
            for _ in range(count):
                call()
            return (time.perf_counter() - begin) / count * 1e6

        ours = partial(one_by_one, in_caller_thread, count)
        return alternate(ours, calls, int(_ROUNDS * effort.rounds))


def _line(work: str, how: _Measure, target: float) -> Line:
    return Line(
        work,
        "asyncio.to_thread",
        "µs",
        target,
        partial(measure, how),
        target_without_eager_tasks=target,
    )


LINES = [
    _line("`sync_to_async`, one at a time", one_at_a_time, 1),
    _line("the same, 2,000 at once", many_at_once, 1.3),
    Line(
        "`in_caller_thread`, one at a time",
        "an empty `to_sync` call",
        "µs",
        0.67,
        measure_in_caller,
        target_without_eager_tasks=0.67,
    ),
]
