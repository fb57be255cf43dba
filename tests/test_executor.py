"""The executor: submit, map, cancel, shutdown, and what it tells about itself."""

import asyncio
import contextvars
import functools
import gc
import inspect
import signal
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from typing import Any

import pytest
from support import (
    LIMIT,
    Gate,
    MakeExecutor,
    echo,
    echo_later,
    fail_later,
    in_thread,
    is_in,
    run_python,
    until,
)

from aiofutures import (
    AsyncExecutor,
    CancelledError,
    DeadlockError,
    ExecutorStatistics,
    Future,
    InvalidStateError,
)
from aiofutures._loops.run import _SLICE, _TURN
from aiofutures._loops.thread import LoopThread

variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="unset")


class Adder:
    """A callable object that is async."""

    async def __call__(self, a: int, b: int) -> int:
        """Add."""
        await asyncio.sleep(0)
        return a + b

    async def add(self, a: int, b: int) -> int:
        """Add, as a method."""
        return a + b

    @staticmethod
    async def add_static(a: int, b: int) -> int:
        """Add, as a staticmethod."""
        return a + b

    @classmethod
    async def add_class(cls, a: int, b: int) -> int:
        """Add, as a classmethod."""
        return a + b


class Waiter:
    """A callable object that waits at a gate."""

    def __init__(self, gate: Gate) -> None:
        self.gate = gate

    async def __call__(self) -> None:
        """Wait."""
        await self.gate.wait()


def add_future(a: int, b: int) -> "asyncio.Future[int]":
    """Add, in a function that returns an asyncio future."""
    future = asyncio.get_running_loop().create_future()
    future.get_loop().call_soon(future.set_result, a + b)
    return future


class TestConstructor:
    """What the constructor accepts and refuses."""

    @pytest.mark.parametrize("max_workers", [0, -1])
    def test_max_workers(self, max_workers: int) -> None:
        """`max_workers` of 0 or less is refused with the words of the standard library."""
        with pytest.raises(ValueError, match=r"^max_workers must be greater than 0$"):
            AsyncExecutor(max_workers=max_workers)

    def test_not_a_thread_pool(self) -> None:
        """Anything but a thread pool is refused for `sync_to_async`."""
        wrong: Any = 4

        with pytest.raises(TypeError, match="executor must be a ThreadPoolExecutor, not 4"):
            AsyncExecutor(wrong)

    @pytest.mark.parametrize("timeout", [0, -0.5])
    def test_blocked_loop_timeout(self, timeout: float) -> None:
        """`blocked_loop_timeout` of 0 or less is refused."""
        with pytest.raises(ValueError, match="blocked_loop_timeout must be greater than 0"):
            AsyncExecutor(blocked_loop_timeout=timeout)

    def test_constructing_starts_nothing(self, executor: AsyncExecutor) -> None:
        """An executor that was not used has neither a thread nor a loop."""
        before = threading.active_count()

        assert executor.tasks == set()
        assert executor.statistics() == ExecutorStatistics(0, 0, None)
        executor.shutdown()

        assert threading.active_count() == before


class TestSubmit:
    """`submit`."""

    @pytest.mark.parametrize(
        "fn",
        [
            Adder(),
            Adder().add,
            Adder.add_static,
            Adder.add_class,
            add_future,
            functools.partial(Adder()),
            lambda a, b: Adder().add(a, b),
        ],
    )
    def test_callables(self, executor: AsyncExecutor, fn: Callable[[int, int], Any]) -> None:
        """Any callable that returns an awaitable will do."""
        assert executor.submit(fn, 1, 2).result(LIMIT) == 3
        assert executor.submit(functools.partial(fn, 1), b=2).result(LIMIT) == 3

    def test_every_keyword_is_the_functions(self, executor: AsyncExecutor) -> None:
        """No keyword is the executor's own: all go to the function."""

        async def show(**kwargs: int) -> dict[str, int]:
            return kwargs

        future = executor.submit(show, self=1, fn=2, executor=3, timeout=4, args=5)

        assert future.result(LIMIT) == {"self": 1, "fn": 2, "executor": 3, "timeout": 4, "args": 5}

    def test_returns_a_future(self, executor: AsyncExecutor) -> None:
        """`submit` returns a `Future`."""
        future = executor.submit(echo, 1)

        assert type(future) is Future
        future.result(LIMIT)

    def test_function_is_called_on_the_loop_thread(self, executor: AsyncExecutor) -> None:
        """Also the function itself is called on the loop thread, under its running loop."""

        def call() -> Any:
            return echo((threading.current_thread(), asyncio.get_running_loop()))

        thread, loop = executor.submit(call).result(LIMIT)

        assert thread is not threading.current_thread()
        assert executor.submit(echo_later, 1).result(LIMIT) == 1
        assert executor._loop_thread._run.loop is loop

    def test_context_of_the_caller(self, executor: AsyncExecutor) -> None:
        """A call sees the context variables as they were at its submit, and changes only a copy."""

        async def exchange(value: str) -> str:
            before = variable.get()
            variable.set(value)
            await asyncio.sleep(0)
            assert variable.get() == value
            return before

        with Gate() as gate:
            blocker = executor.submit(_block, gate)
            gate.arrived()
            token = variable.set("at the submit")
            first, second = (executor.submit(exchange, value) for value in "ab")
            variable.reset(token)
        blocker.result(LIMIT)

        assert first.result(LIMIT) == second.result(LIMIT) == "at the submit"
        assert variable.get() == "unset"

    def test_context_of_a_plain_function(self, executor: AsyncExecutor) -> None:
        """A plain function and the awaitable that it returns share one context."""

        async def get() -> str:
            await asyncio.sleep(0)
            return variable.get()

        def call() -> Any:
            variable.set("by the function")
            return get()

        assert executor.submit(call).result(LIMIT) == "by the function"

    @pytest.mark.parametrize(
        ("make", "name"),
        [
            (lambda gate: gate.wait, "Gate.wait"),
            (lambda gate: functools.partial(gate.wait), "Gate.wait"),
            (lambda gate: functools.partial(Gate.pass_on, gate, 1), "Gate.pass_on"),
            (lambda gate: Waiter(gate), "Waiter"),
        ],
    )
    def test_name_of_the_task(
        self, executor: AsyncExecutor, make: Callable[[Gate], Callable[[], Any]], name: str
    ) -> None:
        """Tasks carry the qualified name of the function."""
        with Gate() as gate:
            future = executor.submit(make(gate))
            gate.arrived()

            names = [task.get_name() for task in executor.tasks]

        future.result(LIMIT)
        assert names == [name]

    def test_many(self, executor: AsyncExecutor) -> None:
        """A burst far longer than a slice is run in full."""
        futures = [executor.submit(echo if n % 2 else echo_later, n) for n in range(1000)]

        assert [future.result(LIMIT) for future in futures] == list(range(1000))

    @pytest.mark.one_loop("looks into one loop")
    def test_burst_does_not_starve_timers(self, executor: AsyncExecutor) -> None:
        """Timers get their turn within a burst of calls that never suspend."""
        order: list[str] = []

        async def note() -> None:
            order.append("call")
            time.sleep(_TURN / _SLICE)

        def start() -> Any:
            asyncio.get_running_loop().call_soon(order.append, "callback")
            return echo(None)

        with Gate() as gate:
            executor.submit(_block, gate).add_done_callback(lambda _: None)
            gate.arrived()
            futures: list[Future[None]] = [executor.submit(start)]
            futures += [executor.submit(note) for _ in range(10 * _SLICE)]
        for future in futures:
            future.result(LIMIT)

        assert order.index("callback") < 6 * _SLICE

    @pytest.mark.one_loop("says where all calls run")
    def test_from_many_threads(self, executor: AsyncExecutor) -> None:
        """Threads that submit at the same time lose nothing, and one loop thread runs it all."""
        barrier = threading.Barrier(4)

        async def where(_: int) -> int:
            return threading.get_ident()

        def submit() -> set[int]:
            barrier.wait(LIMIT)
            return {executor.submit(where, n).result(LIMIT) for n in range(50)}

        threads = [in_thread(submit) for _ in range(4)]

        assert len(set.union(*(thread.result(LIMIT) for thread in threads))) == 1

    def test_from_a_done_callback(self, executor: AsyncExecutor) -> None:
        """A done callback may submit."""
        futures: list[Future[int]] = []
        submitted = threading.Event()

        def submit(_: object) -> None:
            futures.append(executor.submit(echo_later, 2))
            submitted.set()

        executor.submit(echo_later, 1).add_done_callback(submit)

        assert submitted.wait(LIMIT)
        assert futures[0].result(LIMIT) == 2


async def _block(gate: Gate) -> None:
    """Block the event loop at the gate."""
    gate.block()


class TestMistakes:
    """The commonest mistakes get messages of their own."""

    def test_coroutine(self, executor: AsyncExecutor) -> None:
        """A coroutine in place of a function is refused, and there is no warning about it."""
        wrong: Any = echo(1)

        with pytest.raises(
            TypeError, match=r"the coroutine that echo\(\) returned: pass echo, \.\.\. instead"
        ):
            _ = executor.submit(wrong)

        assert inspect.getcoroutinestate(wrong) == inspect.CORO_CLOSED

    @pytest.mark.parametrize("wrong", [None, 3, "fetch"])
    def test_not_callable(self, executor: AsyncExecutor, wrong: Any) -> None:
        """Something that cannot be called is refused, showing it."""
        with pytest.raises(TypeError, match=rf"^expected an async function, got {wrong!r}$"):
            _ = executor.submit(wrong)

    def test_sync_function(self, executor: AsyncExecutor) -> None:
        """A sync function fails with a TypeError that names `sync_to_async`."""
        wrong: Any = len

        with pytest.raises(TypeError, match=r"len.* returned 2, .*sync_to_async"):
            executor.submit(wrong, "ab").result(LIMIT)

    def test_wrong_arguments(self, executor: AsyncExecutor) -> None:
        """Arguments that do not fit are an error of the call, in its future."""
        wrong: Any = echo

        future = executor.submit(wrong, 1, 2)

        with pytest.raises(TypeError, match=r"echo\(\) takes 1 positional argument but 2 were"):
            future.result(LIMIT)

    def test_async_generator_function(self, executor: AsyncExecutor) -> None:
        """An async generator function fails with the advice to iterate it."""

        async def numbers() -> Any:
            yield 1

        with pytest.raises(TypeError, match="loop over it in an async function"):
            executor.submit(numbers).result(LIMIT)

    def test_after_shutdown(self, executor: AsyncExecutor) -> None:
        """Submitting after the shutdown is refused with the words of the standard library."""
        executor.shutdown()

        with pytest.raises(
            InvalidStateError, match=r"^cannot schedule new futures after shutdown$"
        ):
            _ = executor.submit(echo, 1)

        with pytest.raises(InvalidStateError):
            executor.map(echo, [1])

    def test_after_shutdown_of_a_used_one(self, executor: AsyncExecutor) -> None:
        """The same holds where the thread was running."""
        executor.submit(echo, 1).result(LIMIT)
        executor.shutdown()

        with pytest.raises(InvalidStateError):
            _ = executor.submit(echo, 1)


class TestMaxWorkers:
    """`max_workers`."""

    @pytest.mark.one_loop("the order of calls is that of one loop")
    @pytest.mark.parametrize("max_workers", [1, 2, 5])
    def test_bound_and_order(self, make_executor: MakeExecutor, max_workers: int) -> None:
        """No more than `max_workers` calls run at once, and they start in order."""
        executor = make_executor(max_workers=max_workers)
        running: set[int] = set()
        most: list[int] = []
        started: list[int] = []

        async def work(number: int) -> None:
            started.append(number)
            running.add(number)
            most.append(len(running))
            for _ in range(number % 3):
                await asyncio.sleep(0)
            running.remove(number)

        with Gate() as gate:
            blocker = executor.submit(_block, gate)
            gate.arrived()
            futures = [executor.submit(work, number) for number in range(50)]
        for future in (blocker, *futures):
            future.result(LIMIT)

        assert started == list(range(50))
        assert max(most) <= max_workers
        assert max(most) > 1 or max_workers == 1

    @pytest.mark.one_loop("the order of calls is that of one loop")
    def test_queued_are_pending(self, make_executor: MakeExecutor) -> None:
        """Calls beyond the limit are pending until one that runs is done."""
        executor = make_executor(max_workers=2)
        with Gate() as gate:
            futures = [executor.submit(gate.wait) for _ in range(5)]
            gate.arrived(2)

            assert [future.running() for future in futures] == [True, True, False, False, False]
            assert executor.statistics() == ExecutorStatistics(3, 2, 2)

        for future in futures:
            future.result(LIMIT)

    def test_failures_make_room(self, make_executor: MakeExecutor) -> None:
        """Calls that fail or are cancelled make room for the next ones, as others do."""
        executor = make_executor(max_workers=1)
        futures: list[Future[Any]] = []
        for fn in (_refuse, fail_later):
            for error in (OSError(), asyncio.CancelledError(), SystemExit()):
                futures.append(executor.submit(fn, error))

        assert executor.submit(echo_later, 1).result(LIMIT) == 1

        wait(futures, LIMIT)
        assert [future.cancelled() for future in futures] == [False, True, False] * 2
        assert all(future.cancelled() or future.exception() for future in futures)

    @pytest.mark.parametrize("depth", [1, 3])
    def test_nested(self, make_executor: MakeExecutor, depth: int) -> None:
        """A task that awaits a future of its own executor lends it its place meanwhile."""
        executor = make_executor(max_workers=1)

        async def nest(depth: int) -> int:
            if depth == 0:
                return 1
            await asyncio.sleep(0)
            return 1 + await executor.submit(nest, depth - 1)

        assert executor.submit(nest, depth).result(LIMIT) == depth + 1

    def test_nested_from_a_worker_thread(self, make_executor: MakeExecutor) -> None:
        """A worker thread of a task that waits for another call lends the task's place."""
        executor = make_executor(max_workers=1)

        def wait() -> int:
            return executor.submit(echo_later, 1).result(LIMIT)

        async def parent() -> int:
            return await executor.sync_to_async(wait)

        assert executor.submit(parent).result(LIMIT) == 1

    def test_nested_never_runs_more(self, make_executor: MakeExecutor) -> None:
        """Who has lent its place goes on only when there is one again."""
        executor = make_executor(max_workers=2)
        running: set[object] = set()
        most: list[int] = []

        async def run(turns: int) -> None:
            me = object()
            running.add(me)
            most.append(len(running))
            for _ in range(turns):
                await asyncio.sleep(0)
                most.append(len(running))
            running.remove(me)

        async def parent(turns: int) -> None:
            await run(turns)
            await executor.submit(run, turns)
            await run(turns)

        futures = [executor.submit(parent, number % 4) for number in range(30)]
        for future in futures:
            future.result(LIMIT)

        assert max(most) <= 2


def _refuse(error: BaseException) -> Any:
    raise error


class TestCancelFutures:
    """`cancel_futures` and the argument of `shutdown`."""

    @pytest.mark.parametrize(
        "cancel",
        [
            AsyncExecutor.cancel_futures,
            functools.partial(AsyncExecutor.shutdown, cancel_futures=True),
            functools.partial(AsyncExecutor.shutdown, wait=False, cancel_futures=True),
        ],
    )
    @pytest.mark.one_loop("the order of calls is that of one loop")
    def test_queued_and_running(
        self, make_executor: MakeExecutor, cancel: Callable[[AsyncExecutor], None]
    ) -> None:
        """What is queued and what runs is cancelled alike."""
        executor = make_executor(max_workers=2)
        with Gate() as gate:
            futures = [executor.submit(gate.wait) for _ in range(5)]
            gate.arrived(2)

            cancel(executor)

            assert all(future.cancelled() for future in futures[2:])
            for future in futures:
                with pytest.raises(CancelledError):
                    future.result(LIMIT)

    @pytest.mark.one_loop("blocks one loop")
    def test_not_yet_at_the_loop(self, executor: AsyncExecutor) -> None:
        """What has not reached the loop yet is cancelled at once."""
        with Gate() as gate:
            blocker = executor.submit(_block, gate)
            gate.arrived()
            futures = [executor.submit(echo, n) for n in range(100)]

            executor.cancel_futures()

            assert all(future.cancelled() for future in futures)
        blocker.result(LIMIT)

    def test_executor_goes_on(self, executor: AsyncExecutor) -> None:
        """After `cancel_futures` the executor takes new calls."""
        executor.cancel_futures()
        with Gate() as gate:
            future = executor.submit(gate.wait)
            gate.arrived()

            executor.cancel_futures()

            with pytest.raises(CancelledError):
                future.result(LIMIT)
        assert executor.submit(echo_later, 1).result(LIMIT) == 1

    def test_done_ones_stay(self, executor: AsyncExecutor) -> None:
        """What is done stays done."""
        future = executor.submit(echo, 1)
        future.result(LIMIT)

        executor.cancel_futures()

        assert future.result() == 1


class TestShutdown:
    """`shutdown` and the `with` statement."""

    def test_waits(self, executor: AsyncExecutor) -> None:
        """`shutdown` waits for what is queued and what runs."""
        with Gate() as gate:
            futures = [executor.submit(gate.pass_on, n) for n in range(3)]
            gate.arrived(3)
            shutting = in_thread(executor.shutdown)
            until(lambda: not _accepts(executor))

            assert not shutting.done()

        shutting.result(LIMIT)
        assert [future.result(0) for future in futures] == [0, 1, 2]

    def test_ends_the_thread(self, executor: AsyncExecutor) -> None:
        """After `shutdown` the thread has ended and the loop is closed."""

        async def where() -> tuple[threading.Thread, asyncio.AbstractEventLoop]:
            return threading.current_thread(), asyncio.get_running_loop()

        thread, loop = executor.submit(where).result(LIMIT)

        executor.shutdown()

        assert not thread.is_alive()
        assert loop.is_closed()
        assert executor.tasks == set()

    def test_without_waiting(self, executor: AsyncExecutor) -> None:
        """`shutdown(wait=False)` returns at once; what was submitted is finished."""
        with Gate() as gate:
            future = executor.submit(gate.pass_on, 1)
            gate.arrived()

            executor.shutdown(wait=False)

            assert not future.done()
            assert not _accepts(executor)
        assert future.result(LIMIT) == 1

    def test_repeated(self, executor: AsyncExecutor) -> None:
        """`shutdown` may be called any number of times, by several threads too."""
        executor.submit(echo, 1).result(LIMIT)

        threads = [in_thread(executor.shutdown) for _ in range(3)]
        executor.shutdown()
        executor.shutdown(wait=False)

        for thread in threads:
            thread.result(LIMIT)

    def test_strengthened(self, executor: AsyncExecutor) -> None:
        """A later call may ask for more: to cancel, and to wait."""
        with Gate() as gate:
            future = executor.submit(gate.wait)
            gate.arrived()
            executor.shutdown(wait=False)
            assert not future.done()

            executor.shutdown(cancel_futures=True)

            assert future.cancelled()

    def test_children_while_it_drains(self, executor: AsyncExecutor) -> None:
        """Tasks that still run may submit children and use worker threads."""

        async def grandchild() -> int:
            return await executor.sync_to_async(len, "abc")

        async def child() -> int:
            return await executor.submit(grandchild)

        with Gate() as gate:

            async def parent() -> int:
                await gate.wait()
                return await executor.submit(child)

            future = executor.submit(parent)
            gate.arrived()
            executor.shutdown(wait=False)

        assert future.result(LIMIT) == 3

    def test_children_that_nobody_awaits(self, executor: AsyncExecutor) -> None:
        """Children that a task has submitted and not awaited are finished too."""
        children: list[Future[int]] = []
        with Gate() as gate:

            async def parent() -> None:
                await gate.wait()
                children.append(executor.submit(echo_later, 1))

            future = executor.submit(parent)
            gate.arrived()
            shutting = in_thread(executor.shutdown)
            until(lambda: not _accepts(executor))

        shutting.result(LIMIT)
        assert future.done()
        assert children[0].result(0) == 1

    def test_children_of_a_worker_thread(self, executor: AsyncExecutor) -> None:
        """A worker thread of a task may submit while the executor drains."""
        with Gate() as gate:

            def work() -> int:
                gate.block()
                return executor.submit(echo_later, 1).result(LIMIT)

            async def parent() -> int:
                return await executor.sync_to_async(work)

            future = executor.submit(parent)
            gate.arrived()
            executor.shutdown(wait=False)

        assert future.result(LIMIT) == 1

    def test_children_of_a_worker_thread_that_nobody_awaits(self, executor: AsyncExecutor) -> None:
        """A worker thread may submit also where its task has gone on without it."""
        children: list[Future[int]] = []
        with Gate() as gate:

            def work() -> None:
                gate.block()
                children.append(executor.submit(echo_later, 1))

            async def parent() -> None:
                _ = executor.sync_to_async(work)

            executor.submit(parent).result(LIMIT)
            gate.arrived()
            shutting = in_thread(executor.shutdown)
            until(lambda: not _accepts(executor))

        shutting.result(LIMIT)
        assert children[0].result(0) == 1

    def test_outsiders_are_refused_while_it_drains(self, executor: AsyncExecutor) -> None:
        """Other threads, and tasks of other loops, cannot submit any more."""
        with Gate() as gate:
            executor.submit(gate.wait).add_done_callback(lambda _: None)
            gate.arrived()

            executor.shutdown(wait=False)

            async def main() -> None:
                with pytest.raises(InvalidStateError):
                    _ = executor.submit(echo, 1)
                with pytest.raises(InvalidStateError):
                    _ = executor.sync_to_async(len, "ab")

            asyncio.run(main())

    def test_from_a_task(self, executor: AsyncExecutor) -> None:
        """A task that shuts its own executor down would wait for itself; without wait it may."""

        async def work() -> str:
            with pytest.raises(DeadlockError, match=r"use shutdown\(wait=False\)"):
                executor.shutdown()
            assert await executor.submit(echo_later, 1) == 1  # nothing has happened
            executor.shutdown(wait=False)
            return "done"

        assert executor.submit(work).result(LIMIT) == "done"

    def test_from_a_worker_thread(self, executor: AsyncExecutor) -> None:
        """A worker thread that shuts its own executor down would wait for itself too."""

        def shut() -> str:
            with pytest.raises(DeadlockError, match=r"use shutdown\(wait=False\)"):
                executor.shutdown()
            executor.shutdown(wait=False)
            return "done"

        async def work() -> str:
            return await executor.sync_to_async(shut)

        assert executor.submit(work).result(LIMIT) == "done"

    def test_from_a_thread_of_the_callers_pool(self, make_executor: MakeExecutor) -> None:
        """The same holds where the worker threads are the caller's."""
        with ThreadPoolExecutor(1) as pool:
            executor = make_executor(pool)

            def shut() -> str:
                with pytest.raises(DeadlockError):
                    executor.shutdown()
                return "done"

            async def work() -> str:
                return await executor.sync_to_async(shut)

            assert executor.submit(work).result(LIMIT) == "done"
            pool.submit(executor.shutdown).result(LIMIT)

    def test_from_a_task_of_another_executor(
        self, executor: AsyncExecutor, make_executor: MakeExecutor
    ) -> None:
        """A task may shut another executor down, also one whose worker thread started it."""
        other = make_executor()
        executor.submit(echo, 1).result(LIMIT)

        async def shut() -> None:
            executor.shutdown()

        other.submit(shut).result(LIMIT)

        assert not _accepts(executor)

    def test_background_tasks_are_cancelled(self, executor: AsyncExecutor) -> None:
        """Tasks that a call has left behind are cancelled, and their cleanup is waited for."""
        cleaned: list[str] = []
        kept: list[asyncio.Task[None]] = []
        with Gate() as gate:

            async def background() -> None:
                try:
                    await gate.wait()
                finally:
                    await asyncio.sleep(0)
                    cleaned.append("cleaned")

            async def work() -> None:
                kept.append(asyncio.create_task(background()))

            executor.submit(work).result(LIMIT)
            gate.arrived()

            executor.shutdown()

        assert cleaned == ["cleaned"]
        assert kept[0].cancelled()

    def test_background_task_may_use_the_executor(self, executor: AsyncExecutor) -> None:
        """The cleanup of a background task may still submit and use worker threads."""
        results: list[int] = []
        kept: list[asyncio.Task[None]] = []
        with Gate() as gate:

            async def background() -> None:
                try:
                    await gate.wait()
                finally:
                    results.append(await executor.submit(echo_later, 1))
                    results.append(await executor.sync_to_async(len, "ab"))

            async def work() -> None:
                kept.append(asyncio.create_task(background()))

            executor.submit(work).result(LIMIT)
            gate.arrived()

            executor.shutdown()

        assert results == [1, 2]

    def test_async_generators_are_closed(self, executor: AsyncExecutor) -> None:
        """Async generators that were left open run their `finally` on the loop."""
        closed: list[str] = []
        kept: list[object] = []

        async def numbers() -> Any:
            try:
                yield 1
            finally:
                await asyncio.sleep(0)
                closed.append("closed")

        async def work() -> int:
            generator = numbers()
            kept.append(generator)
            number: int = await anext(generator)
            return number

        assert executor.submit(work).result(LIMIT) == 1

        executor.shutdown()

        assert closed == ["closed"]

    def test_callers_pool_stays_open(self, make_executor: MakeExecutor) -> None:
        """The caller's thread pool is used and never shut down."""
        with ThreadPoolExecutor(1) as pool:
            executor = make_executor(pool)

            async def work() -> int:
                return await executor.sync_to_async(len, "ab")

            assert executor.submit(work).result(LIMIT) == 2

            executor.shutdown()

            assert pool.submit(len, "abc").result(LIMIT) == 3

    def test_with(self, make_executor: MakeExecutor) -> None:
        """Leaving a `with` block waits for what was submitted in it."""
        with Gate() as gate, make_executor() as executor:
            future = executor.submit(gate.pass_on, 1)
            gate.arrived()
            gate.open()

        assert future.result(0) == 1
        assert not _accepts(executor)

    def test_with_an_error(self, make_executor: MakeExecutor) -> None:
        """A block that is left by an error waits too, as the standard executors do."""
        futures: list[Future[int]] = []
        with Gate() as gate, pytest.raises(OSError, match="in the block"):
            with make_executor() as executor:
                futures.append(executor.submit(gate.pass_on, 1))
                gate.arrived()
                gate.open()
                raise OSError("in the block")

        assert futures[0].result(0) == 1

    @pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
    def test_with_an_interruption(
        self, make_executor: MakeExecutor, error: type[BaseException]
    ) -> None:
        """A block that is left by Ctrl-C or SystemExit cancels what runs, then waits."""
        futures: list[Future[int]] = []
        with Gate() as gate, pytest.raises(error):
            with make_executor() as executor:
                futures.append(executor.submit(gate.pass_on, 1))
                gate.arrived()
                raise error

        assert futures[0].cancelled()

    @pytest.mark.one_loop("looks into one loop")
    @pytest.mark.skipif(not hasattr(signal, "SIGALRM"), reason="needs SIGALRM")
    def test_with_an_interruption_at_its_end(self, make_executor: MakeExecutor) -> None:
        """Ctrl-C while the end of a `with` block waits cancels what is left, and is raised then."""
        main_thread = threading.get_ident()
        interrupts = [KeyboardInterrupt()]
        cleaned: list[str] = []

        def handle(*_: object) -> None:
            if interrupts:
                raise interrupts.pop()

        async def work() -> None:
            async with asyncio.timeout(LIMIT):
                while not is_in(threading.main_thread(), LoopThread.join):
                    await asyncio.sleep(0)
                try:
                    while True:
                        signal.pthread_kill(main_thread, signal.SIGALRM)
                        await asyncio.sleep(0.01)
                finally:
                    await asyncio.sleep(0)
                    cleaned.append("cleaned")

        before = signal.signal(signal.SIGALRM, handle)
        try:
            with pytest.raises(KeyboardInterrupt), make_executor() as executor:
                future = executor.submit(work)
        finally:
            signal.signal(signal.SIGALRM, before)

        assert cleaned == ["cleaned"]
        assert future.cancelled()


def _accepts(executor: AsyncExecutor) -> bool:
    try:
        executor.submit(echo, 1).result(LIMIT)
    except InvalidStateError:
        return False
    return True


class TestDropped:
    """An executor that nobody shuts down."""

    def test_work_is_finished(self) -> None:
        """What was submitted to an executor that is dropped is finished; then the thread ends."""
        threads: list[threading.Thread] = []
        with Gate() as gate:

            async def work() -> int:
                threads.append(threading.current_thread())
                await gate.wait()
                return 1

            executor = AsyncExecutor()
            future = executor.submit(work)
            gate.arrived()

            del executor
            gc.collect()

            assert not future.done()
        assert future.result(LIMIT) == 1
        threads[0].join(LIMIT)
        assert not threads[0].is_alive()

    def test_idle(self) -> None:
        """The thread of an idle executor that is dropped ends."""

        async def where() -> threading.Thread:
            return threading.current_thread()

        thread = AsyncExecutor().submit(where).result(LIMIT)
        gc.collect()

        thread.join(LIMIT)

        assert not thread.is_alive()

    def test_dies_without_the_collector(self) -> None:
        """An executor is in no reference cycle: it is let go of where it is dropped."""

        async def where() -> threading.Thread:
            return threading.current_thread()

        gc.disable()
        try:
            thread = AsyncExecutor().submit(where).result(LIMIT)

            thread.join(LIMIT)
        finally:
            gc.enable()

        assert not thread.is_alive()

    def test_unused(self) -> None:
        """An executor that was never used is simply gone."""
        executor = AsyncExecutor()

        del executor
        gc.collect()


class TestIntrospection:
    """`tasks` and `statistics`."""

    def test_tasks(self, executor: AsyncExecutor) -> None:
        """`tasks` has the tasks of the calls, and those that they have made."""
        with Gate() as gate:

            async def inner() -> None:
                await gate.wait()

            async def outer() -> None:
                async with asyncio.TaskGroup() as group:
                    group.create_task(inner(), name="inner")

            future = executor.submit(outer)
            gate.arrived()

            names = {task.get_name() for task in executor.tasks}

        future.result(LIMIT)
        assert {name.rpartition(".")[2] for name in names} == {"inner", "outer"}

    @pytest.mark.one_loop("the order of calls is that of one loop")
    def test_statistics(self, make_executor: MakeExecutor) -> None:
        """`statistics` counts what is pending and what runs."""
        executor = make_executor(max_workers=3)
        with Gate() as gate:
            futures = [executor.submit(gate.wait) for _ in range(5)]
            gate.arrived(3)

            assert executor.statistics() == ExecutorStatistics(pending=2, running=3, max_workers=3)
            futures[4].cancel()
            assert executor.statistics() == ExecutorStatistics(1, 3, 3)

        for future in futures[:4]:
            future.result(LIMIT)
        until(lambda: executor.statistics() == ExecutorStatistics(0, 0, 3))

    def test_statistics_of_a_call_that_blocks(self, executor: AsyncExecutor) -> None:
        """A call that has not suspended yet is running, and counted once."""
        with Gate() as gate:
            future = executor.submit(_block, gate)
            gate.arrived()

            assert executor.statistics() == ExecutorStatistics(0, 1, None)

        future.result(LIMIT)

    def test_statistics_are_frozen(self) -> None:
        """Statistics are of one moment and do not change."""
        statistics: Any = ExecutorStatistics(0, 0, None)

        with pytest.raises(AttributeError):
            statistics.pending = 1


@pytest.mark.skipif(sys.version_info < (3, 14), reason="new in Python 3.14")
def test_beside_a_pool_of_interpreters() -> None:
    """Async functions await what an InterpreterPoolExecutor computes; `as_completed` takes both."""
    output = run_python(
        """
        import asyncio
        from concurrent.futures import InterpreterPoolExecutor, as_completed
        from aiofutures import AsyncExecutor

        async def power(pool, base):
            return await asyncio.get_running_loop().run_in_executor(pool, pow, base, 2)

        with InterpreterPoolExecutor(2) as pool, AsyncExecutor() as executor:
            futures = [pool.submit(pow, 5, 2), *(executor.submit(power, pool, n) for n in range(3))]
            print(*sorted(future.result() for future in as_completed(futures)))
        """
    )

    assert output == "0 1 4 25\n"


@pytest.mark.skipif(sys.version_info < (3, 14), reason="new in Python 3.14")
def test_threads_that_inherit_their_context() -> None:
    """Tasks and worker threads see the context of their own caller, not that of the first one."""
    output = run_python(
        """
        from contextvars import ContextVar
        from aiofutures import AsyncExecutor

        name = ContextVar("name", default="none")

        async def look():
            return name.get(), await executor.sync_to_async(name.get)

        executor = AsyncExecutor()
        for caller in ("first", "second"):
            name.set(caller)
            print(*executor.submit(look).result())
        """,
        *("-X", "thread_inherit_context=1", "-X", "dev", "-W", "error"),
    )

    assert output == "first first\nsecond second\n"
