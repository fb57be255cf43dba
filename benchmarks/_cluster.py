"""The cluster of the benchmarks, and what runs on it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from statistics import median
from time import perf_counter
from time import sleep as sleep_here
from typing import Any

import aiomultiprocess
import distributed

from aiofutures.dask import DaskExecutor

from ._pairs import alternate, unpin

_CHUNK = 200
_SLEEP = 0.1
# Dask's own map takes seconds for ten thousand calls.
_SHARE = 5

Both = tuple[Sequence[float], Sequence[float]]
Run = Callable[[int], object]


async def echo(number: int) -> int:
    """Return the number."""
    return number


async def sleep(number: int) -> int:
    """Return the number later."""
    await asyncio.sleep(_SLEEP)
    return number


async def echo_all(numbers: Sequence[int]) -> list[int]:
    """Do by hand what a batch does."""
    return await asyncio.gather(*map(echo, numbers))


@contextmanager
def cluster(threads: int) -> Iterator[tuple[DaskExecutor, Any]]:
    """Start two workers, and connect to them; give an executor and the client."""
    unpin()
    make: Any = distributed.LocalCluster
    connect: Any = distributed.Client
    with (
        make(
            n_workers=2,
            threads_per_worker=threads,
            host="127.0.0.1",
            dashboard_address="127.0.0.1:0",
            worker_dashboard_address="127.0.0.1:0",
            silence_logs=logging.CRITICAL,
        ) as running,
        connect(running) as client,
        DaskExecutor(client) as executor,
    ):
        yield executor, client


def per_call(run: Run, count: int) -> float:
    """Return the µs that each of so many calls takes."""
    begun = perf_counter()
    run(count)
    return (perf_counter() - begun) / count * 1e6


def _compare(client: Any, ours: Run, theirs: Run, rounds: int, count: int, share: int = 1) -> Both:
    def measured(run: Run, count: int) -> float:
        # Or one side would pay for what the other has left: a scheduler takes as long to forget ten
        # thousand tasks as to run them.
        while client.run_on_scheduler(_count_tasks):
            sleep_here(0.01)
        return per_call(run, count)

    samples = alternate(
        partial(measured, ours, count), partial(measured, theirs, max(2, count // share)), rounds
    )
    return samples.ours, samples.theirs


def _count_tasks(dask_scheduler: Any) -> int:
    return len(dask_scheduler.tasks)


def _mapping(executor: DaskExecutor, fn: Callable[[int], Awaitable[int]]) -> Run:
    return lambda count: list(executor.map(fn, range(count)))


def _against_dask(
    fn: Callable[[int], Awaitable[int]],
    threads: int,
    rounds: int,
    count: int,
    share: int = _SHARE,
) -> Both:
    with cluster(threads) as (executor, client):

        def bare(count: int) -> object:
            return client.gather(client.map(fn, range(count), pure=False))

        return _compare(client, _mapping(executor, fn), bare, rounds, count, share)


def trivial_one_thread(rounds: int, count: int) -> Both:
    """Compare with Dask's map on workers of one thread, which run a coroutine at a time."""
    return _against_dask(echo, 1, min(rounds, 3), count)


def trivial_many_threads(rounds: int, count: int) -> Both:
    """Compare with Dask's map on workers that run a thousand coroutines at a time."""
    return _against_dask(echo, 1000, rounds, count)


def asleep_many_threads(rounds: int, count: int) -> Both:
    """Compare with it for calls that wait: as many, for fewer would be there all at once."""
    return _against_dask(sleep, 1000, min(rounds, 5), count, share=1)


def trivial_chunks(rounds: int, count: int) -> Both:
    """Compare with chunks of calls, each a coroutine, as one writes them by hand."""
    with cluster(1) as (executor, client):

        def chunks(count: int) -> object:
            numbers = range(count)
            parts = [numbers[start : start + _CHUNK] for start in range(0, count, _CHUNK)]
            return client.gather(client.map(echo_all, parts, pure=False))

        return _compare(client, _mapping(executor, echo), chunks, rounds, count)


def one_at_a_time(rounds: int, count: int) -> Both:
    """Compare single calls, each of which waits for the one before."""
    with cluster(1) as (executor, client):

        def ours() -> float:
            return _round_trip(lambda: executor.submit(echo, 1))

        def theirs() -> float:
            return _round_trip(lambda: client.submit(echo, 1, pure=False))

        samples = alternate(ours, theirs, rounds)
    return samples.ours, samples.theirs


def _round_trip(submit: Callable[[], Any], times: int = 50) -> float:
    """Return the ms of a call, as the median of several."""
    each: list[float] = []
    for _ in range(times):
        begun = perf_counter()
        submit().result()
        each.append(perf_counter() - begun)
    return 1000 * median(each)


def trivial_pool(rounds: int, count: int) -> Both:
    """Compare with the map of aiomultiprocess."""
    return _against_pool(echo, _map_in_pool, rounds, count)


def asleep_pool(rounds: int, count: int) -> Both:
    """Compare with it for calls that wait."""
    return _against_pool(sleep, _map_in_pool, rounds, count)


def apply_pool(rounds: int, count: int) -> Both:
    """Compare with its calls that are submitted one by one."""
    return _against_pool(echo, _apply_in_pool, rounds, count)


async def _map_in_pool(pool: Any, fn: Callable[[int], Awaitable[int]], count: int) -> None:
    await pool.map(fn, range(count))


async def _apply_in_pool(pool: Any, fn: Callable[[int], Awaitable[int]], count: int) -> None:
    await asyncio.gather(*(pool.apply(fn, (number,)) for number in range(count)))


def _against_pool(
    fn: Callable[[int], Awaitable[int]],
    use: Callable[[Any, Callable[[int], Awaitable[int]], int], Awaitable[None]],
    rounds: int,
    count: int,
) -> Both:
    async def start() -> Any:
        pool = aiomultiprocess.Pool(processes=2, childconcurrency=1000)
        await pool.__aenter__()
        return pool

    async def stop(pool: Any) -> None:
        pool.terminate()
        await pool.join()

    with cluster(1) as (executor, client), asyncio.Runner() as runner:
        pool = runner.run(start())
        try:

            def theirs(count: int) -> object:
                return runner.run(_awaited(use(pool, fn, count)))

            return _compare(client, _mapping(executor, fn), theirs, rounds, count)
        finally:
            runner.run(stop(pool))


async def _awaited(awaitable: Awaitable[None]) -> None:
    await awaitable
