"""Nothing piles up: memory, threads, event loops and descriptors."""

import asyncio
import gc
import os
import sys
import threading
import weakref
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext, suppress
from contextvars import Context, ContextVar, copy_context
from pathlib import Path
from typing import Any, Final, NoReturn

import pytest
import support
from support import LIMIT, Gate, MakeExecutor, echo, echo_later, frees_at_once, let_go, until

from aiofutures import AsyncExecutor, Future, first, gather, in_caller_thread, to_sync

LoopFactory = Callable[[], asyncio.AbstractEventLoop]

on_both_loops = pytest.mark.parametrize("loop_factory", ["asyncio", "uvloop"], indirect=True)


def blocks() -> int:
    """Return how many blocks of memory are allocated."""
    gc.collect()
    return sys.getallocatedblocks()


@pytest.mark.empty_context
class TestGrowth:
    """Short calls, many of them."""

    BATCH: Final = 5_000

    def run(self, executor: AsyncExecutor, count: int) -> None:
        for _ in range(count // self.BATCH):
            futures = [executor.submit(echo_later, n) for n in range(self.BATCH)]
            assert futures[-1].result(LIMIT) == self.BATCH - 1
            del futures

    def check(self, executor: AsyncExecutor, count: int) -> None:
        self.run(executor, 2 * self.BATCH)
        before = blocks()

        self.run(executor, count)

        assert blocks() - before < count // 100

    @on_both_loops
    @pytest.mark.parametrize("max_workers", [None, 100])
    def test_many_calls(self, make_executor: MakeExecutor, max_workers: int | None) -> None:
        """Memory does not grow with the number of calls that were made."""
        self.check(make_executor(max_workers=max_workers), 40_000)

    @pytest.mark.slow
    @pytest.mark.timeout(600)
    @on_both_loops
    def test_a_million_calls(self, make_executor: MakeExecutor) -> None:
        """Nor with a million of them."""
        self.check(make_executor(), 1_000_000)

    @on_both_loops
    def test_cancelled_and_failed_calls(self, make_executor: MakeExecutor) -> None:
        """Nor with the number of those that were cancelled or have failed."""
        executor = make_executor()

        async def fail() -> NoReturn:
            await asyncio.sleep(0)
            raise LookupError

        def run(count: int) -> None:
            for _ in range(count):
                cancelled = executor.submit(asyncio.sleep, LIMIT)
                failed = executor.submit(fail)
                cancelled.cancel()
                with pytest.raises(LookupError):
                    failed.result(LIMIT)
                until(cancelled.done)

        run(500)
        before = blocks()

        run(2_000)

        assert blocks() - before < 500

    @on_both_loops
    def test_waits_that_time_out(self, make_executor: MakeExecutor) -> None:
        """Nor with the number of waits for one future."""
        executor = make_executor()
        with Gate() as gate:
            future = executor.submit(gate.wait)

            def run(count: int) -> None:
                for _ in range(count):
                    with pytest.raises(TimeoutError):
                        future.result(1e-6)

            run(500)
            before = blocks()

            run(2_000)

            assert blocks() - before < 200


@on_both_loops
@pytest.mark.empty_context
@pytest.mark.timeout(300)
def test_hundred_thousand_in_flight(make_executor: MakeExecutor) -> None:
    """A hundred thousand calls are in flight at once, and all of them end."""
    executor = make_executor()
    count = 100_000
    opened = asyncio.Event()
    last_has_started = threading.Event()

    async def wait(number: int) -> int:
        if number == count - 1:
            last_has_started.set()
        await opened.wait()
        return number

    async def open_up() -> None:
        opened.set()

    futures = [executor.submit(wait, number) for number in range(count)]
    assert last_has_started.wait(5 * LIMIT)
    assert executor.statistics().running == count
    executor.submit(open_up).result(5 * LIMIT)

    assert sum(future.result(5 * LIMIT) for future in futures) == sum(range(count))


class Local:
    """A local variable of the code that fails."""


@pytest.fixture
def no_collector() -> Iterator[None]:
    """The garbage collector does not run: only what is in no cycle is freed."""
    gc.disable()
    yield
    gc.enable()


@frees_at_once
@pytest.mark.usefixtures("no_collector")
class TestCycles:
    """The locals of code that has failed are freed at once, with the exception."""

    @pytest.fixture
    def locals_of(self) -> list[weakref.ref[Local]]:
        """The locals that there were."""
        return []

    def fail(self, locals_of: list[weakref.ref[Local]]) -> NoReturn:
        local = Local()
        locals_of.append(weakref.ref(local))
        raise LookupError(local)

    def check(self, locals_of: list[weakref.ref[Local]]) -> None:
        assert locals_of
        until(lambda: all(local() is None for local in locals_of))

    def test_to_sync(self, executor: AsyncExecutor, locals_of: list[weakref.ref[Local]]) -> None:
        """Of a `to_sync` call."""

        @to_sync(executor=executor)
        async def work() -> None:
            await asyncio.sleep(0)
            self.fail(locals_of)

        with pytest.raises(LookupError):
            work()

        self.check(locals_of)

    @pytest.mark.parametrize("is_caught", [False, True])
    def test_in_caller_thread(
        self, executor: AsyncExecutor, locals_of: list[weakref.ref[Local]], *, is_caught: bool
    ) -> None:
        """Of a function in the thread that waits, also where the task catches its exception."""

        @to_sync(executor=executor)
        async def work() -> None:
            with pytest.raises(LookupError) if is_caught else nullcontext():
                await in_caller_thread(self.fail, locals_of)

        with nullcontext() if is_caught else pytest.raises(LookupError):
            work()

        self.check(locals_of)

    @pytest.mark.parametrize("work", [support.fail, support.fail_later])
    def test_context(
        self,
        executor: AsyncExecutor,
        locals_of: list[weakref.ref[Local]],
        work: Callable[[BaseException], Coroutine[Any, Any, NoReturn]],
    ) -> None:
        """Of its context, which is freed although the exception of a `to_sync` call is kept."""
        variable: ContextVar[Local] = ContextVar("variable")
        error = LookupError()

        def call() -> None:
            local = Local()
            locals_of.append(weakref.ref(local))
            variable.set(local)
            del local
            with pytest.raises(LookupError):
                to_sync(executor=executor)(work)(error)

        Context().run(call)

        self.check(locals_of)
        assert error.__traceback__

    def test_generator(self, executor: AsyncExecutor, locals_of: list[weakref.ref[Local]]) -> None:
        """Of an async generator."""

        @to_sync(executor=executor)
        async def generate() -> AsyncGenerator[int, None]:
            yield 1
            self.fail(locals_of)

        with pytest.raises(LookupError):
            list(generate())

        self.check(locals_of)

    @pytest.mark.parametrize("callers_pool", [False, True])
    def test_worker_thread(
        self,
        make_executor: MakeExecutor,
        locals_of: list[weakref.ref[Local]],
        *,
        callers_pool: bool,
    ) -> None:
        """Of a worker thread, for a task that handles the exception."""
        with ThreadPoolExecutor(1) as pool:
            executor = make_executor(pool if callers_pool else None)

            async def work() -> None:
                with pytest.raises(LookupError):
                    await executor.sync_to_async(self.fail, locals_of)

            executor.submit(work).result(LIMIT)

            self.check(locals_of)

    def test_map(self, executor: AsyncExecutor, locals_of: list[weakref.ref[Local]]) -> None:
        """Of a call of `map`."""

        async def work(_: int) -> None:
            await asyncio.sleep(0)
            self.fail(locals_of)

        with pytest.raises(LookupError):
            list(executor.map(work, range(3)))
        executor.shutdown()

        self.check(locals_of)

    def test_derived(self, executor: AsyncExecutor, locals_of: list[weakref.ref[Local]]) -> None:
        """Of a function of a combinator."""
        future = executor.submit(echo, locals_of).map(self.fail)

        with pytest.raises(LookupError):
            future.result(LIMIT)
        del future

        self.check(locals_of)

    HANDED_ON: Final[dict[str, Callable[[Future[object]], Awaitable[object]]]] = {
        "await": lambda future: future,
        "map": lambda future: future.map(str),
        "then": lambda future: future.then(echo),
        "recover": lambda future: future.recover(KeyError, str),
        "zip": lambda future: future.zip(future),
        "gather": lambda future: gather(future),
        "first": lambda future: first(future),
    }

    @pytest.mark.parametrize("hand_on", HANDED_ON.values(), ids=HANDED_ON)
    @pytest.mark.parametrize("begun", [False, True])
    def test_handed_on(
        self,
        executor: AsyncExecutor,
        locals_of: list[weakref.ref[Local]],
        hand_on: Callable[[Future[object]], Awaitable[object]],
        begun: bool,
    ) -> None:
        """Of a call that another one awaits, or awaits what is derived of it."""

        async def work() -> None:
            if not begun:
                await asyncio.sleep(0)
            self.fail(locals_of)

        async def wait() -> None:
            await hand_on(executor.submit(work))

        with pytest.raises(LookupError):
            executor.submit(wait).result(LIMIT)

        self.check(locals_of)


class TestDropped:
    """Executors that nobody shuts down."""

    @pytest.mark.skipif(sys.platform != "linux", reason="looks at the descriptors in /proc")
    def test_many(self, loop_factory: LoopFactory) -> None:
        """Their threads, worker threads and descriptors are gone soon after they are dropped."""

        def descriptors() -> int:
            return len(os.listdir("/proc/self/fd"))  # noqa: PTH208  as fast as can be

        async def use_worker(executor: AsyncExecutor) -> None:
            await executor.sync_to_async(int)

        def use() -> None:
            executor = AsyncExecutor(loop_factory=loop_factory, blocked_loop_timeout=LIMIT)
            executor.submit(echo_later, 1).result(LIMIT)
            executor.submit(use_worker, executor).result(LIMIT)

        # Other libraries keep theirs.
        threads = threading.active_count()
        use()
        until(lambda: threading.active_count() == threads)
        before = descriptors()

        for _ in range(30):
            use()

        until(lambda: threading.active_count() == threads)
        gc.collect()
        assert descriptors() == before
        assert Path("/proc/self/fd").exists()

    def test_on_a_foreign_loop(self) -> None:
        """So are the worker threads of one whose own loop never ran."""

        async def main() -> None:
            executor = AsyncExecutor()
            assert await executor.sync_to_async(abs, -3) == 3

        threads = threading.active_count()
        asyncio.run(main())

        gc.collect()
        until(lambda: threading.active_count() == threads)


@on_both_loops
def test_context_of_the_first_call(make_executor: MakeExecutor) -> None:
    """The executor does not keep the context variables of the call that has started its thread."""
    executor = make_executor()
    variable: ContextVar[object] = ContextVar("variable")

    def call_first() -> weakref.ref[object]:
        value = Gate()
        variable.set(value)
        executor.submit(echo, 1).result(LIMIT)
        return weakref.ref(value)

    reference = copy_context().run(call_first)
    let_go(executor)
    gc.collect()

    assert reference() is None


def interrupt(_: object) -> None:
    """Do as a signal handler that raises."""
    raise KeyboardInterrupt


class TestArguments:
    """Who keeps a future does not keep what its call was to be made with."""

    ENDS: Final[dict[str, Callable[[Future[object]], object]]] = {
        "cancel": lambda future: future.cancel(),
        "result": lambda future: future.set_result(1),
        "exception": lambda future: future.set_exception(OSError()),
        "run": lambda future: future.set_running_or_notify_cancel(),
    }

    @pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)
    @pytest.mark.parametrize("interrupted", [False, True])
    def test_of_what_never_runs(
        self,
        make_executor: MakeExecutor,
        end: Callable[[Future[object]], object],
        interrupted: bool,
    ) -> None:
        """They are gone as soon as somebody else than the loop thread has decided."""
        executor = make_executor(max_workers=1)
        with Gate() as gate:
            _ = executor.submit(gate.wait)
            gate.arrived()
            value = Gate()
            reference = weakref.ref(value)
            future: Future[object] = executor.submit(echo, value)
            del value
            if interrupted:
                future.add_done_callback(interrupt)

            with suppress(KeyboardInterrupt):
                end(future)

            gc.collect()
            assert reference() is None

    @pytest.mark.parametrize("fn", [echo, echo_later])
    def test_of_what_has_run(
        self, executor: AsyncExecutor, fn: Callable[..., Awaitable[object]]
    ) -> None:
        """They are gone when the call has returned."""

        async def work(value: object) -> int:
            await fn(value)
            return 1

        value = Gate()
        reference = weakref.ref(value)
        future = executor.submit(work, value)
        del value

        assert future.result(LIMIT) == 1
        let_go(executor)
        gc.collect()
        assert reference() is None
