"""Races of submit, cancel, result, shutdown and fork, with the shortest time slices.

`STRESS_ROUNDS` sets how often each is run: in CI a few times, before a release hundreds.
"""

import asyncio
import concurrent.futures
import logging
import os
import random
import sys
import threading
from collections.abc import AsyncGenerator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Any, Final

import pytest
from support import LIMIT, echo, echo_later, in_child, in_threads

from aiofutures import (
    AsyncExecutor,
    BrokenExecutor,
    CancelledError,
    Future,
    InvalidStateError,
    Shared,
)

ROUNDS: Final = int(os.environ.get("STRESS_ROUNDS", "1"))
THREADS: Final = 8
WAIT: Final = 6 * LIMIT

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(600 + 60 * ROUNDS),
    pytest.mark.parametrize("loop_factory", ["asyncio", "uvloop"], indirect=True),
]

LoopFactory = Callable[[], asyncio.AbstractEventLoop]


@pytest.fixture(autouse=True)
def _short_time_slices() -> Iterator[None]:
    """The interpreter changes threads as often as it can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def all_done(futures: list[Future[Any]]) -> bool:
    """Tell whether all futures end in time."""
    return not concurrent.futures.wait(futures, WAIT).not_done


@pytest.mark.parametrize("max_workers", [None, 3])
def test_submit_and_shutdown(loop_factory: LoopFactory, max_workers: int | None) -> None:
    """Each submit that races a shutdown is refused or its call completes: of 200,000 none is left.

    The count is of all variants of this test together, in each round.
    """
    submitted = refused = 0
    while submitted + refused < 50_000 * ROUNDS:
        executor = AsyncExecutor(loop_factory=loop_factory, max_workers=max_workers)
        stop_after = random.randrange(1, 400)

        def submit(
            number: int, executor: AsyncExecutor = executor, stop_after: int = stop_after
        ) -> tuple[list[Future[int]], int]:
            futures: list[Future[int]] = []
            refusals = 0
            for n in range(500):
                if number == 0 and n == stop_after:
                    executor.shutdown(wait=n % 2 == 0)
                try:
                    futures.append(executor.submit(echo if n % 2 else echo_later, n))
                except InvalidStateError:
                    refusals += 1
            return futures, refusals

        for futures, refusals in in_threads(THREADS, submit):
            assert all_done(futures)
            assert all(not future.cancelled() and future.exception() is None for future in futures)
            submitted += len(futures)
            refused += refusals
        executor.shutdown()
    assert submitted
    assert refused


@pytest.mark.parametrize("max_workers", [None, 3])
def test_cancel(loop_factory: LoopFactory, max_workers: int | None) -> None:
    """A call that threads cancel while it starts, runs and ends is done once, and truthfully."""
    for _ in range(40 * ROUNDS):
        with AsyncExecutor(loop_factory=loop_factory, max_workers=max_workers) as executor:
            ran: list[int] = []
            calls: list[int] = []

            async def work(number: int, ran: list[int] = ran) -> int:
                ran.append(number)
                await asyncio.sleep(0)
                return number

            futures = [executor.submit(work, number) for number in range(100)]
            for future in futures:
                future.add_done_callback(lambda future: calls.append(id(future)))

            def cancel(number: int, futures: list[Future[int]] = futures) -> list[bool]:
                return [future.cancel() for future in futures[number % 2 :: 2]]

            in_threads(THREADS, cancel)
            assert all_done(futures)
        assert sorted(calls) == sorted(map(id, futures))
        assert len(ran) == len(set(ran))
        for number, future in enumerate(futures):
            assert future.cancelled() or future.result(0) == number
            assert number in ran or future.cancelled()


def test_results(loop_factory: LoopFactory) -> None:
    """Threads that wait in every way for the same futures all see each of them end."""

    def wait(number: int) -> int:
        if number == 0:
            return len(concurrent.futures.wait(futures, WAIT).done)
        if number == 1:
            return len(list(concurrent.futures.as_completed(futures, WAIT)))
        if number == 2:
            return len([future.result(WAIT) for future in futures])
        count = threading.Semaphore(0)
        for future in futures:
            future.add_done_callback(lambda _: count.release())
        return sum(count.acquire(timeout=WAIT) for _ in futures)

    with AsyncExecutor(loop_factory=loop_factory) as executor:
        for _ in range(40 * ROUNDS):
            futures = [executor.submit(echo_later, number) for number in range(100)]

            assert in_threads(THREADS, wait) == [100] * THREADS


def test_first_submits(loop_factory: LoopFactory) -> None:
    """Threads that race for the start, or for it and the end, make one loop or are refused."""
    for _ in range(150 * ROUNDS):
        executor = AsyncExecutor(loop_factory=loop_factory)

        def use(number: int, executor: AsyncExecutor = executor) -> Future[int] | None:
            if number == 0:
                executor.shutdown()
                return None
            try:
                return executor.submit(echo_later, number)
            except InvalidStateError:
                return None

        futures = [future for future in in_threads(THREADS, use) if future is not None]
        assert all_done(futures)
        assert all(future.result(0) in range(THREADS) for future in futures)
        executor.shutdown()


def test_nested(loop_factory: LoopFactory) -> None:
    """Trees of calls under a limit end, whatever is cancelled in them."""

    async def node(depth: int) -> int:
        if depth == 0:
            return await executor.sync_to_async(abs, -1)
        children = [executor.submit(node, depth - 1) for _ in range(2)]
        if depth == 2 and random.random() < 0.2:
            children[0].cancel()
        outcomes = await asyncio.gather(*children, return_exceptions=True)
        return sum(outcome for outcome in outcomes if isinstance(outcome, int))

    for max_workers in (1, 2, 5):
        for _ in range(8 * ROUNDS):
            with AsyncExecutor(loop_factory=loop_factory, max_workers=max_workers) as executor:
                futures = [executor.submit(node, 4) for _ in range(5)]
                futures[random.randrange(5)].cancel()
                assert all_done(futures)
                assert executor.submit(echo, 1).result(WAIT) == 1


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_fork(loop_factory: LoopFactory) -> None:
    """A child that is forked at any moment can use the executor; the parent loses nothing."""
    with AsyncExecutor(loop_factory=loop_factory, max_workers=20) as executor:
        stop = threading.Event()

        def use(number: int) -> int:
            count = 0
            while not stop.is_set():
                futures = [executor.submit(echo_later, n) for n in range(10)]
                futures[number].cancel()
                assert all_done(futures)
                count += len(futures)
            return count

        with ThreadPoolExecutor(THREADS) as pool:
            counts = [pool.submit(use, number) for number in range(THREADS)]
            try:
                for _ in range(20 * ROUNDS):
                    mine = executor.submit(echo_later, 1)
                    in_child(partial(_use_in_child, executor, mine), WAIT)
                    assert mine.result(WAIT) == 1
            finally:
                stop.set()
            assert all(count.result(WAIT) for count in counts)


def _use_in_child(executor: AsyncExecutor, inherited: Future[int]) -> None:
    with suppress(BrokenExecutor, CancelledError):
        assert inherited.result(LIMIT) == 1
    assert [executor.submit(echo_later, n).result(LIMIT) for n in range(3)] == [0, 1, 2]


@pytest.mark.parametrize("max_workers", [None, 1])
def test_shared(
    loop_factory: LoopFactory, max_workers: int | None, logged_errors: list[logging.LogRecord]
) -> None:
    """Of a client that threads and tasks open and close, and leave, there is never more than one.

    It fails to open, and ends by itself, now and then.
    """
    alive: list[object] = []

    @asynccontextmanager
    async def connect() -> AsyncGenerator[object, None]:
        await asyncio.sleep(0)
        if random.random() < 0.1:
            raise OSError
        alive.append(object())
        assert len(alive) == 1
        try:
            if random.random() < 0.1:
                task = asyncio.current_task()
                assert task is not None
                asyncio.get_running_loop().call_later(0.001, task.cancel)
            yield alive[0]
        finally:
            alive.clear()

    async def leave(client: Shared[object]) -> None:
        await asyncio.wait_for(client, random.random() / 1000)

    for _ in range(20 * ROUNDS):
        with AsyncExecutor(loop_factory=loop_factory, max_workers=max_workers) as executor:
            client = executor.shared(connect)
            actions: list[Callable[[], object]] = [
                client,
                client.close,
                lambda client=client: asyncio.run(leave(client)),  # type: ignore[misc]
                lambda executor=executor, client=client: executor.submit(leave, client).result(),  # type: ignore[misc]
            ]

            def use(_: int, actions: list[Callable[[], object]] = actions) -> None:
                for _ in range(100):
                    with suppress(OSError, TimeoutError, CancelledError):
                        random.choice(actions)()

            in_threads(THREADS, use)
        assert alive == []
    # Where nobody waits any more, that is reported.
    assert all("failed to open" in record.getMessage() for record in logged_errors)
    logged_errors.clear()
