"""The worker threads of `sync_to_async`."""

import asyncio
import concurrent.futures.thread
import contextvars
import logging
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NoReturn

import pytest
from support import (
    LIMIT,
    Gate,
    MakeExecutor,
    Refusing,
    echo,
    echo_later,
    in_thread,
    interrupted_at,
    until,
)
from typing_extensions import override

from aiofutures import AsyncExecutor, CancelledError, Future, InvalidStateError
from aiofutures._loops.pool import WorkerPool
from aiofutures._loops.worker_future import WorkerFuture

variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="unset")


def show(*args: int, **kwargs: int) -> tuple[tuple[int, ...], dict[str, int]]:
    """Return the arguments."""
    return args, kwargs


class TestSyncToAsync:
    """`AsyncExecutor.sync_to_async`."""

    def test_arguments(self, executor: AsyncExecutor) -> None:
        """All arguments go to the function, whatever the keywords are called."""

        async def work() -> Any:
            return await executor.sync_to_async(show, 1, 2, fn=3, self=4, timeout=5)

        assert executor.submit(work).result(LIMIT) == (
            (1, 2),
            {"fn": 3, "self": 4, "timeout": 5},
        )

    def test_thread(self, make_executor: MakeExecutor) -> None:
        """The function runs in a worker thread that is named after the executor."""
        executor = make_executor(thread_name_prefix="mine")

        async def work() -> str:
            return (await executor.sync_to_async(threading.current_thread)).name

        assert executor.submit(work).result(LIMIT).startswith("mine-worker")

    def test_starts_right_away(self, executor: AsyncExecutor) -> None:
        """The function runs whether its result is awaited or not."""
        with Gate() as gate:

            async def work() -> None:
                _ = executor.sync_to_async(gate.block)
                await asyncio.sleep(0)

            executor.submit(work).result(LIMIT)

            gate.arrived()

    def test_does_not_block_the_loop(self, executor: AsyncExecutor) -> None:
        """The loop goes on while the function blocks."""
        with Gate() as gate:

            async def work() -> int:
                waiting = asyncio.ensure_future(executor.sync_to_async(gate.block))
                await asyncio.sleep(0)
                gate.open()
                await waiting
                return 1

            assert executor.submit(work).result(LIMIT) == 1

    def test_context(self, executor: AsyncExecutor) -> None:
        """The function sees the task's context variables, and changes only a copy of them."""

        def exchange() -> str:
            before = variable.get()
            variable.set("in the thread")
            return before

        async def work() -> tuple[str, str]:
            variable.set("in the task")
            return await executor.sync_to_async(exchange), variable.get()

        assert executor.submit(work).result(LIMIT) == ("in the task", "in the task")

    @pytest.mark.parametrize("error", [OSError("lost"), SystemExit(3), KeyboardInterrupt()])
    def test_exception(self, executor: AsyncExecutor, error: BaseException) -> None:
        """What the function raises is raised by the await."""

        def refuse() -> None:
            raise error

        async def work() -> BaseException | None:
            try:
                await executor.sync_to_async(refuse)
            except BaseException as caught:
                return caught
            return None

        assert executor.submit(work).result(LIMIT) is error

    def test_stop_iteration(self, executor: AsyncExecutor) -> None:
        """StopIteration becomes a RuntimeError, as it cannot be raised into a coroutine."""
        empty: list[int] = []

        async def work() -> str:
            with pytest.raises(RuntimeError, match="the function raised StopIteration") as caught:
                await executor.sync_to_async(next, iter(empty))
            return type(caught.value.__cause__).__name__

        assert executor.submit(work).result(LIMIT) == "StopIteration"

    def test_exception_that_refuses_attributes(self, executor: AsyncExecutor) -> None:
        """An exception that nobody can set an attribute of is raised like any other."""

        class Frozen(Exception):
            __slots__ = ()

            @override
            def __setattr__(self, name: str, value: object) -> None:
                raise AttributeError(name)

        def refuse() -> None:
            raise Frozen

        async def main() -> None:
            with pytest.raises(Frozen):
                await executor.sync_to_async(refuse)

        asyncio.run(main())

    @pytest.mark.parametrize("fn", [echo, Gate().wait])
    def test_async_function(self, executor: AsyncExecutor, fn: Callable[..., Any]) -> None:
        """An async function is refused: it can be awaited."""

        async def work() -> None:
            with pytest.raises(TypeError, match="is already async: await it instead"):
                _ = executor.sync_to_async(fn)

        executor.submit(work).result(LIMIT)

    def test_no_loop(self, executor: AsyncExecutor) -> None:
        """Without a running event loop there is nobody to await it."""
        with pytest.raises(RuntimeError, match="no running event loop"):
            _ = executor.sync_to_async(len, "ab")

    def test_on_a_foreign_loop(self, executor: AsyncExecutor) -> None:
        """It can be awaited on any event loop; the executor need not even have started."""

        async def main() -> int:
            return await executor.sync_to_async(len, "ab")

        assert asyncio.run(main()) == 2
        executor.submit(echo, 1).result(LIMIT)
        assert asyncio.run(main()) == 2

    def test_after_a_foreign_loop_was_closed(self, executor: AsyncExecutor) -> None:
        """An outcome for a loop that is closed is dropped in silence."""
        with Gate() as gate:

            async def main() -> None:
                _ = executor.sync_to_async(gate.block)
                gate.arrived()

            asyncio.run(main())
        executor.shutdown()

    def test_loop_that_refuses_to_be_woken(
        self, executor: AsyncExecutor, logged_errors: list[logging.LogRecord]
    ) -> None:
        """What a loop raises when it is to take an outcome is logged; all others get theirs."""
        loop = Refusing()
        loop.errors.append(RuntimeError("refused"))

        async def main() -> int:
            _ = executor.sync_to_async(int)
            await executor.sync_to_async(until, lambda: bool(logged_errors))
            return await executor.sync_to_async(len, "ab")

        assert loop.run_until_complete(main()) == 2

        loop.close()
        assert [str(record.exc_info and record.exc_info[1]) for record in logged_errors] == [
            "refused"
        ]
        logged_errors.clear()

    def test_asks_no_other_pool(
        self, executor: AsyncExecutor, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """It works whatever the standard library's own pools are told at the interpreter's end."""
        monkeypatch.setattr(concurrent.futures.thread, "_shutdown", True)

        async def main() -> int:
            return await executor.sync_to_async(len, "ab")

        assert asyncio.run(main()) == 2

    def test_after_shutdown(self, executor: AsyncExecutor) -> None:
        """After the shutdown it is refused."""
        executor.shutdown()

        async def main() -> None:
            with pytest.raises(InvalidStateError, match="after shutdown"):
                _ = executor.sync_to_async(len, "ab")

        asyncio.run(main())


@pytest.mark.skipif(sys.platform != "linux", reason="a stack that is too large is of Linux")
def test_no_thread_to_be_had(executor: AsyncExecutor) -> None:
    """Where no thread can start, the await says so; a later call runs."""

    async def main() -> int:
        threading.stack_size(1 << 47)
        try:
            with pytest.raises(RuntimeError, match="can't start new thread"):
                await executor.sync_to_async(len, "ab")
        finally:
            threading.stack_size(0)
        return await executor.sync_to_async(len, "abc")

    assert asyncio.run(main()) == 3


def test_interrupted_start_of_a_thread(executor: AsyncExecutor) -> None:
    """A signal handler that raises while a thread starts leaves nobody else's call behind."""
    others: list[concurrent.futures.Future[int]] = []

    async def call() -> int:
        return await executor.sync_to_async(len, "ab")

    def interrupt() -> NoReturn:
        others.append(in_thread(lambda: asyncio.run(call())))
        until(lambda: len(executor._loop_thread._workers._own_pool._items) == 2)
        raise InterruptedError

    async def main() -> None:
        start = "Context().run(thread.start)"
        with interrupted_at(WorkerPool._start_thread, start, interrupt):
            with pytest.raises(InterruptedError):
                _ = executor.sync_to_async(int)

    asyncio.run(main())

    assert others[0].result(LIMIT) == 2


class TestCancel:
    """Cancelling a task that waits for a worker thread."""

    def test_task_goes_on_at_once(self, executor: AsyncExecutor) -> None:
        """The task goes on at once; the thread runs to its end and shutdown waits for it."""
        ended = threading.Event()
        with Gate() as gate:

            def block() -> None:
                gate.block()
                ended.set()

            async def work() -> str:
                try:
                    await executor.sync_to_async(block)
                except asyncio.CancelledError:
                    return "went on"
                return "not cancelled"

            future = executor.submit(work)
            gate.arrived()

            future.cancel()

            assert future.result(LIMIT) == "went on"
            shutting = in_thread(executor.shutdown)
            assert not ended.is_set()
            assert not shutting.done()
        shutting.result(LIMIT)
        assert ended.is_set()

    def test_outcome_is_dropped(self, executor: AsyncExecutor) -> None:
        """What the thread raises later is dropped in silence."""
        with Gate() as gate:

            def refuse() -> None:
                gate.block()
                raise OSError("dropped")

            async def work() -> None:
                await executor.sync_to_async(refuse)

            future = executor.submit(work)
            gate.arrived()

            future.cancel()

            assert future.exception if future.cancelled() else True
        executor.shutdown()
        assert future.cancelled()

    def test_waits_for_a_thread(self, make_executor: MakeExecutor) -> None:
        """A call that has no thread yet is cancelled with its task and never runs."""
        ran = threading.Event()
        with ThreadPoolExecutor(1) as pool, Gate() as gate:
            executor = make_executor(pool)
            blocking = pool.submit(gate.block)
            gate.arrived()
            waiting = threading.Event()

            async def work() -> None:
                awaitable = executor.sync_to_async(ran.set)
                asyncio.get_running_loop().call_soon(waiting.set)
                await awaitable

            future = executor.submit(work)
            assert waiting.wait(LIMIT)

            future.cancel()

            executor.shutdown()
            assert future.cancelled()
            gate.open()
            blocking.result(LIMIT)
        assert not ran.is_set()


class TestCallersPool:
    """A thread pool of the caller's."""

    def test_is_used(self, make_executor: MakeExecutor) -> None:
        """Functions run in the caller's pool."""
        with ThreadPoolExecutor(1, thread_name_prefix="callers") as pool:
            executor = make_executor(pool)

            async def work() -> str:
                return (await executor.sync_to_async(threading.current_thread)).name

            assert executor.submit(work).result(LIMIT).startswith("callers")

    def test_shutdown_waits_for_its_calls(self, make_executor: MakeExecutor) -> None:
        """`shutdown` waits for what runs in the caller's pool for this executor."""
        ended = threading.Event()
        with ThreadPoolExecutor(1) as pool, Gate() as gate:
            executor = make_executor(pool)

            def block() -> None:
                gate.block()
                ended.set()

            async def work() -> None:
                _ = executor.sync_to_async(block)

            executor.submit(work).result(LIMIT)
            gate.arrived()
            shutting = in_thread(executor.shutdown)
            assert not shutting.done()
            gate.open()
            shutting.result(LIMIT)

            assert ended.is_set()

    def test_shutdown_of_one_that_never_started(self, make_executor: MakeExecutor) -> None:
        """`shutdown` waits for worker threads also where the loop never ran."""
        ended = threading.Event()
        with ThreadPoolExecutor(1) as pool, Gate() as gate:
            executor = make_executor(pool)

            def block() -> None:
                gate.block()
                ended.set()

            async def main() -> None:
                waiting = executor.sync_to_async(block)
                gate.arrived()
                shutting = in_thread(executor.shutdown)
                gate.open()
                await waiting
                shutting.result(LIMIT)

            asyncio.run(main())

            assert ended.is_set()

    def test_may_be_shared(self, make_executor: MakeExecutor) -> None:
        """Two executors may share a pool; neither takes the other's threads for its own."""
        with ThreadPoolExecutor(1) as pool:
            first, second = make_executor(pool), make_executor(pool)

            async def work() -> None:
                await first.sync_to_async(second.shutdown)

            first.submit(work).result(LIMIT)

            async def main() -> int:
                return await first.sync_to_async(len, "ab")

            assert first.submit(main).result(LIMIT) == 2


class TestSandwich:
    """Worker threads that wait for the loop, which waits for worker threads."""

    def test_wide(self, executor: AsyncExecutor) -> None:
        """Far more such sandwiches than there are worker threads do not starve."""

        def fetch(number: int) -> int:
            return executor.submit(inner, number).result(LIMIT)

        async def inner(number: int) -> int:
            return await executor.sync_to_async(abs, -number)

        async def outer(number: int) -> int:
            return await executor.sync_to_async(fetch, number)

        assert list(executor.map(outer, range(100))) == list(range(100))

    def test_deep(self, executor: AsyncExecutor) -> None:
        """Nor do deep ones."""

        def fetch(depth: int) -> int:
            return executor.submit(nest, depth).result(LIMIT)

        async def nest(depth: int) -> int:
            return depth and 1 + await executor.sync_to_async(fetch, depth - 1)

        assert executor.submit(nest, 50).result(LIMIT) == 50

    def test_context_does_not_make_a_worker_thread(
        self, executor: AsyncExecutor, make_executor: MakeExecutor
    ) -> None:
        """A task of another executor that a worker thread has started is no insider."""
        other = make_executor()
        with Gate() as gate:

            async def stray() -> str:
                await gate.wait()
                try:
                    _ = executor.submit(echo, 1)
                except InvalidStateError:
                    return "refused"
                return "accepted"

            def work() -> Any:
                return other.submit(stray)

            async def parent() -> Any:
                return await executor.sync_to_async(work)

            future = executor.submit(parent).result(LIMIT)
            gate.arrived()
            with Gate() as busy:
                executor.submit(busy.wait).add_done_callback(lambda _: None)
                busy.arrived()
                executor.shutdown(wait=False)
                gate.open()

                assert future.result(LIMIT) == "refused"


def test_many(executor: AsyncExecutor) -> None:
    """More calls than there are worker threads are all run."""

    async def work(number: int) -> int:
        return await executor.sync_to_async(abs, -number)

    assert list(executor.map(work, range(200))) == list(range(200))
    assert executor.submit(echo_later, 1).result(LIMIT) == 1


def test_call_that_was_cancelled_cannot_fail(executor: AsyncExecutor) -> None:
    """Where no thread is to be had, a call that was cancelled stays so."""
    workers = executor._loop_thread._workers

    async def cancel() -> bool:
        future = WorkerFuture(workers, asyncio.get_running_loop(), abs, (1,), {})
        future.cancel()
        future.fail(RuntimeError("can't start new thread"))
        await asyncio.sleep(0)
        return future.cancelled()

    assert executor.submit(cancel).result(LIMIT)


class TestCallersPoolThatDropsCalls:
    """A pool of the caller's that does not run what it has taken."""

    def test_shut_down_with_calls_in_its_queue(self) -> None:
        """Calls that it drops are cancelled, and the executor can be shut down."""
        pool = ThreadPoolExecutor(1)
        submitted = threading.Event()
        with Gate() as gate, AsyncExecutor(pool) as executor:

            async def main() -> list[object]:
                calls = [executor.sync_to_async(gate.block) for _ in range(3)]
                submitted.set()
                return await asyncio.gather(*calls, return_exceptions=True)

            future = executor.submit(main)
            gate.arrived()
            assert submitted.wait(LIMIT)
            pool.shutdown(wait=False, cancel_futures=True)
            gate.open()
            outcomes = future.result(LIMIT)

        assert [type(outcome) for outcome in outcomes] == [
            type(None),
            asyncio.CancelledError,
            asyncio.CancelledError,
        ]

    @pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
    def test_thread_that_cannot_be_prepared(self, logged_errors: list[logging.LogRecord]) -> None:
        """Where its initializer fails, calls raise what its futures raise."""

        def refuse() -> NoReturn:
            raise OSError

        pool = ThreadPoolExecutor(1, initializer=refuse)
        with AsyncExecutor(pool) as executor:
            error = executor.submit(executor.sync_to_async, abs, -1).exception(LIMIT)

        assert isinstance(error, concurrent.futures.BrokenExecutor)
        logged_errors.clear()


@pytest.mark.parametrize("error", [concurrent.futures.CancelledError, asyncio.CancelledError])
def test_cancelled_in_a_worker_thread(executor: AsyncExecutor, error: type[BaseException]) -> None:
    """A function that raises a cancellation, of a future that it waited for, cancels its task."""

    def work() -> NoReturn:
        raise error

    future: Future[None] = executor.submit(executor.sync_to_async, work)

    with pytest.raises(CancelledError):
        future.result(LIMIT)
    assert future.cancelled()


def test_executor_that_is_made_in_a_worker_thread(executor: AsyncExecutor) -> None:
    """A function in a worker thread may make an executor of its own and use it."""

    def work() -> int:
        with AsyncExecutor() as inner:
            return inner.submit(echo_later, 1).result(LIMIT)

    assert executor.submit(executor.sync_to_async, work).result(LIMIT) == 1
