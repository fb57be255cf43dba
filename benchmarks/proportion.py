"""Does four times as much of one thing take four times as long?"""

from __future__ import annotations

import asyncio
import concurrent.futures
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from aiofutures import AsyncExecutor, Future, first, gather, to_sync

from ._lines import GROWTH, Effort, Line, Samples
from ._pairs import alternate

_FEW = 1_500
_TIMES = 4
_MOST = 5  # times as long

#: Does so much of one thing on an executor.
Work = Callable[[AsyncExecutor, int], object]


async def _return(value: int = 0) -> int:
    return value


async def _wait_for(future: Any) -> None:
    await asyncio.wait([future])


def _nothing(_: object) -> None:
    pass


@contextmanager
def held(executor: AsyncExecutor) -> Iterator[Future[None]]:
    """Have a call run for the time of the block."""
    started: Future[Callable[[], object]] = Future()

    async def wait() -> None:
        gate = asyncio.Event()
        started.set_result(partial(asyncio.get_running_loop().call_soon_threadsafe, gate.set))
        await gate.wait()

    future = executor.submit(wait)
    open_gate = started.result()
    yield future
    open_gate()
    future.result()


def callbacks(executor: AsyncExecutor, count: int) -> None:
    """Add so many callbacks to a future that runs, and remove one that is there as often."""
    with held(executor) as future:
        for _ in range(count):
            future.add_done_callback(_nothing)
        future.add_done_callback(print)
        future.remove_done_callback(print)


def awaiters(executor: AsyncExecutor, count: int) -> None:
    """Await one future in so many calls."""
    with held(executor) as future:

        async def wait() -> None:
            await future

        waiting = [executor.submit(wait) for _ in range(count)]
    for each in waiting:
        each.result()


def given_up(executor: AsyncExecutor, count: int) -> None:
    """Await one future in so many tasks, each of which is cancelled before it ends."""
    with held(executor) as future:

        async def wait() -> None:
            tasks = [asyncio.ensure_future(_wait_for(future)) for _ in range(count)]
            await asyncio.sleep(0)
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)

        executor.submit(wait).result()


def chain(executor: AsyncExecutor, count: int) -> None:
    """Derive a future of a future, so many times."""
    with held(executor) as future:
        last: Future[Any] = future
        for _ in range(count):
            last = last.then(_return)
    last.result()


def cancelled_chain(executor: AsyncExecutor, count: int) -> None:
    """Cancel everything while so many calls wait for each other."""
    future: Future[Any] = executor.submit(asyncio.sleep, 3600, 0)
    for _ in range(count):
        future = future.then(_return)
    executor.cancel_futures()
    concurrent.futures.wait([future])


def gathered(executor: AsyncExecutor, count: int) -> None:
    """Gather so many calls."""
    gather(*[executor.submit(_return) for _ in range(count)]).result()


def raced(executor: AsyncExecutor, count: int) -> None:
    """Take the first of so many calls, which cancels the others."""
    first(
        *[executor.submit(asyncio.sleep, 3600, 0) for _ in range(count)], executor.submit(_return)
    ).result()


def cancelled_in_the_queue(executor: AsyncExecutor, count: int) -> None:
    """Cancel so many calls that wait for a place, and look at each how many are left."""
    limited = AsyncExecutor(max_workers=1)
    with limited, held(limited):
        for _ in range(count):
            limited.submit(_return).cancel()
            limited.statistics()


def as_completed(executor: AsyncExecutor, count: int) -> None:
    """Take so many results as they finish."""
    for _ in executor.map(_return, range(count)).as_completed():
        pass


def as_completed_of_futures(executor: AsyncExecutor, count: int) -> None:
    """The same with the standard library's function."""
    for future in concurrent.futures.as_completed(executor.map(_return, range(count)).futures):
        future.result()


def generator_items(executor: AsyncExecutor, count: int) -> None:
    """Iterate over so many items of an async generator."""

    async def items() -> AsyncIterator[int]:
        for number in range(count):
            yield number

    for _ in to_sync(executor=executor)(items)():
        pass


def worker_calls(executor: AsyncExecutor, count: int) -> None:
    """Have so many calls wait for worker threads at once."""

    async def work() -> None:
        await asyncio.gather(*[executor.sync_to_async(int) for _ in range(count)])

    executor.submit(work).result()


def duration(work: Work, executor: AsyncExecutor, count: int) -> float:
    """Do so much, and return the ms it took."""
    begin = time.perf_counter()
    work(executor, count)
    return (time.perf_counter() - begin) * 1e3


def measure(work: Work, effort: Effort) -> Samples:
    """Return the ms for four times as much work, and for once."""
    few = effort.tasks(_FEW)
    with AsyncExecutor() as executor:
        return alternate(
            partial(duration, work, executor, few * _TIMES),
            partial(duration, work, executor, few),
            effort.rounds,
        )


def _line(what: str, work: Work) -> Line:
    return Line(
        f"growth: {_TIMES} x {what}",
        f"{_FEW:,}",
        "ms",
        _MOST,
        partial(measure, work),
        GROWTH,
        _MOST,
    )


LINES = [
    _line("the callbacks of a future", callbacks),
    _line("the calls that await a future", awaiters),
    _line("the tasks that give up waiting for a future", given_up),
    _line("the links of a chain", chain),
    _line("the links of a chain that is cancelled", cancelled_chain),
    _line("the parts of `gather`", gathered),
    _line("the rivals in `first`", raced),
    _line("the calls cancelled in the queue", cancelled_in_the_queue),
    _line("the results of `map`, as they finish", as_completed),
    _line("the futures of `concurrent.futures.as_completed`", as_completed_of_futures),
    _line("the items of a generator", generator_items),
    _line("the calls in worker threads", worker_calls),
]
