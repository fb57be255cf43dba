"""Races of eight threads over everything public: nothing is lost, nothing happens twice.

They are for a Python without the GIL, where the threads run at the same time; `nox -s
free-threaded` runs them there. `STRESS_ROUNDS` sets how often each is run.
"""

import asyncio
import gc
import threading
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from itertools import pairwise
from typing import Any, Final

import pytest
from support import echo, echo_later, in_threads
from test_races import ROUNDS, THREADS, WAIT, all_done

from aiofutures import (
    AsyncExecutor,
    CancelledError,
    ExecutorStatistics,
    Future,
    InvalidStateError,
    first,
    gather,
    in_caller_thread,
    to_sync,
)

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600 + 60 * ROUNDS)]

#: What `repr` says of an executor, in the order in which that may become so.
PHASES: Final = ["not started", "running", "shut down"]
ENDS: Final = (CancelledError, OSError)


def settle(future: Future[int], number: int) -> bool:
    """End a future in one of three ways; tell whether that was its outcome."""
    with suppress(InvalidStateError):
        if number % 3 == 0:
            future.set_result(number)
        elif number % 3 == 1:
            future.set_exception(OSError(number))
        else:
            return future.cancel()
        return True
    return False


def outcome(future: Future[Any]) -> object:
    """Return what a future has become, after checking that it does not contradict itself."""
    assert future.done()
    assert not future.running()
    if future.cancelled():
        with pytest.raises(CancelledError):
            future.result(0)
        with pytest.raises(CancelledError):
            future.exception(0)
        return "cancelled"
    error = future.exception(0)
    if error is None:
        assert future._exception is None
        return future.result(0)
    assert future._result is None
    with pytest.raises(type(error)):
        future.result(0)
    return error


def expected(number: int) -> object:
    return "cancelled" if number % 3 == 2 else number if number % 3 == 0 else str(number)


@pytest.mark.parametrize("running", [False, True])
def test_outcomes(running: bool) -> None:
    """Of threads that set, fail and cancel a future one succeeds, and each callback is called."""
    for _ in range(40 * ROUNDS):
        futures: list[Future[int]] = [Future() for _ in range(100)]
        calls: list[tuple[int, int]] = []
        for future in futures:
            if running:
                assert future.set_running_or_notify_cancel()

        def race(
            number: int,
            futures: list[Future[int]] = futures,
            calls: list[tuple[int, int]] = calls,
        ) -> list[bool]:
            won = []
            for index, future in enumerate(futures):
                future.add_done_callback(lambda _, index=index: calls.append((index, number)))  # type: ignore[misc]
                won.append(settle(future, number))
                assert future.running() or future.done() or not running
                assert repr(future)
            return won

        winners = in_threads(THREADS, race)

        assert Counter(calls) == {(i, n): 1 for i in range(len(futures)) for n in range(THREADS)}
        for index, future in enumerate(futures):
            numbers = [number for number, won in enumerate(winners) if won[index]]
            came = outcome(future)
            # Who cancels what is cancelled is told that it is.
            wants = {expected(number) for number in numbers}
            assert wants == {str(came) if isinstance(came, OSError) else came}
            assert len(numbers) == 1 or wants == {"cancelled"}


async def work(number: int, ran: list[int]) -> int:
    """Note a call, which suspends or not, and returns or fails."""
    ran.append(number)
    if number % 2:
        await asyncio.sleep(0)
    if number % 3 == 0:
        raise OSError(number)
    return number


@pytest.mark.parametrize("max_workers", [None, 3])
def test_calls(max_workers: int | None) -> None:
    """A call that threads cancel and settle while it runs has one outcome, and runs once."""

    def submit(number: int) -> None:
        for n in range(number, 800, THREADS):
            futures[n] = executor.submit(work, n, ran)
            futures[n].add_done_callback(lambda _, n=n: called.append(n))  # type: ignore[misc]

    def interfere(number: int) -> None:
        for n in range(number % 5, 800, 5):
            settle(futures[n], 2 if n % 2 else number)

    with AsyncExecutor(max_workers=max_workers) as executor:
        for _ in range(10 * ROUNDS):
            ran: list[int] = []
            called: list[int] = []
            futures: dict[int, Future[int]] = {}

            in_threads(THREADS, submit)
            in_threads(THREADS, interfere)

            assert all_done([*futures.values()])
            executor.submit(echo, 1).result(WAIT)
            assert sorted(called) == sorted(futures)
            assert max(Counter(ran).values(), default=1) == 1
            for n, future in futures.items():
                came = outcome(future)
                error = int(str(came)) if isinstance(came, OSError) else 0
                assert error in ran or error < THREADS
                assert isinstance(came, OSError) or came in ("cancelled", n, *range(THREADS))


def test_callbacks() -> None:
    """A callback that threads add and remove while its future ends is called or removed, once."""
    for _ in range(40 * ROUNDS):
        futures: list[Future[int]] = [Future() for _ in range(50)]
        called: list[object] = []

        def race(
            number: int, futures: list[Future[int]] = futures, called: list[object] = called
        ) -> int:
            if number == 0:
                for future in futures:
                    future.set_result(1)
                return 0
            removed = 0
            for future in futures:
                key = object()

                def note(_: object, key: object = key) -> None:
                    called.append(key)

                future.add_done_callback(note)
                removed += future.remove_done_callback(note)
                future.add_done_callback(note)
            return removed

        removed = sum(in_threads(THREADS, race))

        assert len(called) + removed == 2 * (THREADS - 1) * len(futures)
        assert max(Counter(called).values()) <= 2


@pytest.mark.parametrize("max_workers", [None, 20])
def test_statistics(max_workers: int | None) -> None:
    """Whoever looks at a busy executor sees it whole, and soon, while threads submit and cancel."""
    with AsyncExecutor(max_workers=max_workers) as executor:
        stop = threading.Event()

        def look(number: int) -> int:
            if number < THREADS - 2:
                count = 0
                while True:
                    futures = [executor.submit(echo_later, n) for n in range(200)]
                    for future in futures[::7]:
                        future.cancel()
                    count += len(futures)
                    assert all_done(futures)
                    if stop.is_set():
                        return count
            for _ in range(100 * ROUNDS):
                statistics = executor.statistics()
                assert isinstance(statistics, ExecutorStatistics)
                # No more than that: it looks at one call after another.
                assert 0 <= statistics.running
                assert 0 <= statistics.pending
                assert f"max_workers={max_workers}" in repr(executor)
                assert isinstance(executor.tasks, set)
                if number == THREADS - 1:
                    executor.cancel_futures()
            stop.set()
            return 1

        assert all(in_threads(THREADS, look))


def test_phases() -> None:
    """An executor that threads use and shut down goes forward only, and is over at the end."""
    for _ in range(10 * ROUNDS):
        executor = AsyncExecutor()

        def use(number: int, executor: AsyncExecutor = executor) -> list[str]:
            if number == 0:
                executor.submit(echo, 1).result(WAIT)
                executor.shutdown()
            elif number == 1:
                with suppress(InvalidStateError):
                    while True:
                        _ = executor.submit(echo_later, 1)
            seen: list[str] = []
            while not seen or seen[-1] != PHASES[-1]:
                seen.append(repr(executor).rsplit("state=")[-1].rstrip(">"))
            return seen

        for seen in in_threads(THREADS, use):
            assert all(PHASES.index(a) <= PHASES.index(b) for a, b in pairwise(seen))
        with pytest.raises(InvalidStateError):
            _ = executor.submit(echo, 1)
        assert executor.statistics() == ExecutorStatistics(0, 0, None)
        assert executor.tasks == set()


@pytest.mark.parametrize("buffersize", [None, 3])
def test_map(buffersize: int | None) -> None:
    """Each thread gets the results of its own `map`, each once."""
    with AsyncExecutor() as executor:

        def use(number: int) -> None:
            for _ in range(5 * ROUNDS):
                results = executor.map(echo_later, range(200), buffersize=buffersize)
                assert [next(results) for _ in range(50)] == [*range(50)]
                assert sorted(results.as_completed()) == [*range(50, 200)]
                results = executor.map(echo_later, range(50), buffersize=buffersize)
                assert [next(results) for _ in range(number)] == [*range(number)]
                results.close()
                assert results.futures == ()

        in_threads(THREADS, use)


def test_derived() -> None:
    """Futures that threads derive from the same ones, and cancel, all end, and truthfully."""

    async def double(number: int) -> int:
        await asyncio.sleep(0)
        return 2 * number

    with AsyncExecutor() as executor, AsyncExecutor(max_workers=2) as other:
        for _ in range(5 * ROUNDS):
            sources = [executor.submit(echo_later, n) for n in range(40)]
            elsewhere = [other.submit(echo_later, n) for n in range(40)]

            def derive(
                number: int,
                sources: list[Future[int]] = sources,
                elsewhere: list[Future[int]] = elsewhere,
            ) -> None:
                for n, (one, two) in enumerate(zip(sources, elsewhere, strict=True)):
                    derived: dict[Future[Any], Any] = {
                        one.map(str): str(n),
                        one.then(double): 2 * n,
                        two.zip(one): (n, n),
                        gather(one, two): (n, n),
                        gather(two, one, executor.submit(echo, n)): (n, n, n),
                        one.map(lambda n: 1 // (n - n)).recover(ZeroDivisionError, lambda _: n): n,
                    }
                    if number == 0 and n % 10 == 0:
                        first(two, executor.submit(echo, n)).cancel()
                    assert all_done([*derived])
                    for future, value in derived.items():
                        assert outcome(future) in (value, "cancelled") or n % 10 == 0
                    assert n % 10 == 0 or not any(future.cancelled() for future in derived)

            in_threads(THREADS, derive)


def test_views() -> None:
    """Generators and `with` blocks of many threads keep their tasks, items and context apart."""
    closed: list[int] = []

    async def count(start: int) -> AsyncGenerator[int, int | None]:
        task = asyncio.current_task()
        try:
            for number in range(start, start + 5):
                sent = yield number
                assert asyncio.current_task() is task
                if sent is not None:
                    assert sent == number
        finally:
            closed.append(start)

    @asynccontextmanager
    async def manage(number: int) -> AsyncGenerator[int, None]:
        task = asyncio.current_task()
        async with asyncio.TaskGroup():
            yield number
        assert asyncio.current_task() is task

    with AsyncExecutor() as executor:
        generate = to_sync(executor=executor)(count)
        manager = to_sync(executor=executor)(manage)
        call = to_sync(executor=executor)(echo_later)

        def use(number: int) -> int:
            calls = 30 * ROUNDS
            for start in range(number, number + calls):
                assert [*generate(start)] == [*range(start, start + 5)]
                generator = generate(start)
                assert [next(generator), generator.send(start)] == [start, start + 1]
                generator.close()
                with manager(start) as value:
                    assert value == start
                    assert call(start) == start
            return 2 * calls

        assert sum(in_threads(THREADS, use)) == len(closed)


def test_shared_view() -> None:
    """A generator that threads take turns at, under a lock, gives each item to one of them."""

    async def count(stop: int) -> AsyncGenerator[int, None]:
        for number in range(stop):
            yield number

    with AsyncExecutor() as executor:
        generator = to_sync(executor=executor)(count)(500 * ROUNDS)
        lock = threading.Lock()

        def take(_: int) -> list[int]:
            items: list[int] = []
            while True:
                with lock:
                    item = next(generator, None)
                if item is None:
                    return items
                items.append(item)

        taken = in_threads(THREADS, take)

    assert sorted(item for items in taken for item in items) == [*range(500 * ROUNDS)]


def test_callers() -> None:
    """What tasks have run in the thread that waits runs there, in order, once, for each thread."""
    here = threading.get_ident

    with AsyncExecutor(max_workers=3) as executor:

        @to_sync(executor=executor)
        async def call(number: int, ran: list[int]) -> list[int]:
            threads = {await in_caller_thread(here) for _ in range(3)}
            threads |= {*await asyncio.gather(*(in_caller_thread(here) for _ in range(3)))}
            for n in range(5):
                await in_caller_thread(ran.append, number + n)
            return [*threads]

        def use(number: int) -> None:
            ran: list[int] = []
            for n in range(20 * ROUNDS):
                assert call(5 * n, ran) == [here()]
            assert ran == [*range(100 * ROUNDS)]

        in_threads(THREADS, use)


def test_workers() -> None:
    """Calls in worker threads that threads submit from many tasks all come back, each once."""
    with AsyncExecutor() as executor:

        async def work(number: int) -> int:
            return await executor.sync_to_async(int, number)

        def use(number: int) -> None:
            for _ in range(2 * ROUNDS):
                results = executor.map(work, range(200))
                assert [*results] == [*range(200)]
                some = [executor.submit(work, n) for n in range(100)]
                for future in some[number::THREADS]:
                    future.cancel()
                assert all_done(some)
                assert {outcome(future) for future in some} <= {*range(100), "cancelled"}

        in_threads(THREADS, use)


def test_errors() -> None:
    """Errors that nobody fetches, of threads that drop their futures, are reported each once."""
    reported: list[str] = []

    async def fail(number: int) -> None:
        raise OSError(number)

    async def set_handler() -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: reported.append(str(context["exception"])))

    with AsyncExecutor() as executor:
        executor.submit(set_handler).result(WAIT)

        def use(number: int) -> None:
            for n in range(100 * ROUNDS):
                _ = executor.submit(fail, number * 1_000_000 + n)

        in_threads(THREADS, use)
        executor.submit(echo, 1).result(WAIT)
        for _ in range(3):
            gc.collect()
            executor.submit(echo, 1).result(WAIT)

    assert Counter(reported) == {
        str(number * 1_000_000 + n): 1 for number in range(THREADS) for n in range(100 * ROUNDS)
    }
