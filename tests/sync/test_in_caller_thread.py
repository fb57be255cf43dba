"""Functions that a call runs in the thread that waits for it."""

import asyncio
import contextvars
import functools
import pickle
import sys
import threading
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from threading import get_ident
from typing import Any, NoReturn

import pytest
from support import (
    LIMIT,
    Gate,
    MakeExecutor,
    in_child,
    in_thread,
    interrupted_at,
    run_python,
    run_untraced,
    starts_threads_at_exit,
    until,
)

from aiofutures import (
    AsyncExecutor,
    CancelledError,
    DeadlockError,
    InvalidStateError,
    in_caller_thread,
    run_async,
    set_default_executor,
    sync_to_async,
    to_sync,
)
from aiofutures._loops.caller import Caller, CallerFuture
from aiofutures._loops.thread import LoopThread
from aiofutures._sync import call as call_module

variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="unset")


class Interruption(KeyboardInterrupt):
    """What a signal handler raises."""


def interrupt() -> NoReturn:
    """Raise as Ctrl-C does."""
    raise Interruption


def raise_(error: BaseException) -> object:
    raise error


def worker_name() -> str:
    return threading.current_thread().name


async def where() -> int:
    """Return in which thread a function runs."""
    return await in_caller_thread(get_ident)


pytestmark = pytest.mark.usefixtures("default_executor")


class TestThread:
    """Where a function runs."""

    def test_call(self) -> None:
        """It runs in the thread that waits in the `to_sync` call."""
        assert to_sync(where)() == get_ident()

    def test_arguments(self) -> None:
        """All arguments go to the function, whatever the keywords are called."""

        @to_sync
        async def call() -> dict[str, int]:
            return await in_caller_thread(dict, fn=1, self=2, timeout=3)

        assert call() == {"fn": 1, "self": 2, "timeout": 3}

    def test_child_tasks(self) -> None:
        """Tasks that the call makes have the same caller, and so have calls that they submit."""

        @to_sync
        async def call() -> list[int]:
            task = asyncio.create_task(where())
            async with asyncio.TaskGroup() as group:
                child = group.create_task(where())
            return [
                await task,
                child.result(),
                *await asyncio.gather(where(), in_caller_thread(get_ident)),
                await asyncio.wait_for(where(), LIMIT),
                await run_async(where),
                await run_async(where).then(lambda _: where()),
            ]

        assert set(call()) == {get_ident()}

    def test_generator(self) -> None:
        """It runs in the thread that waits for the step of a generator."""

        @to_sync
        async def generate() -> AsyncGenerator[int, None]:
            try:
                while True:
                    yield await where()
            finally:
                threads.append(await where())

        threads: list[int] = []
        generator = generate()
        threads.append(next(generator))
        with ThreadPoolExecutor(1) as pool:
            elsewhere = pool.submit(get_ident).result(LIMIT)
            assert pool.submit(next, generator).result(LIMIT) == elsewhere
        generator.close()

        assert threads == [get_ident()] * 2

    def test_context_manager(self) -> None:
        """It runs in the thread that enters or leaves a context manager."""

        @to_sync
        @asynccontextmanager
        async def manage() -> AsyncGenerator[int, None]:
            yield await where()
            threads.append(await where())

        threads: list[int] = []
        with manage() as thread:
            threads.append(thread)

        assert threads == [get_ident()] * 2

    def test_between_two_steps(self) -> None:
        """Nobody waits while the body of a `with` block runs; then comes the thread of the exit."""

        @to_sync
        @asynccontextmanager
        async def manage() -> AsyncGenerator[int, None]:
            may_go = asyncio.Event()

            async def look() -> None:
                await gate.wait()
                names.append(await in_caller_thread(worker_name))
                is_done.set()
                await may_go.wait()
                names.append(await in_caller_thread(worker_name))

            async with asyncio.TaskGroup() as group:
                group.create_task(look())
                yield 1
                may_go.set()

        names: list[str] = []
        is_done = threading.Event()
        with Gate() as gate, manage():
            gate.open()
            assert is_done.wait(LIMIT)

        assert "worker" in names[0]
        assert names[1] == worker_name()

    def test_nobody_waits(self) -> None:
        """In a call that was submitted, it runs in a worker thread."""

        async def call() -> str:
            return await in_caller_thread(worker_name)

        assert "worker" in run_async(call).result(LIMIT)
        assert "worker" in asyncio.run(call())

    def test_submitted_in_the_thread(self) -> None:
        """A function there may submit a call and wait for it: nobody waits in that."""

        def submit() -> tuple[int, int]:
            return (
                run_async(where).result(LIMIT),
                run_async(asyncio.sleep, 0).then(lambda _: where()).result(LIMIT),
            )

        @to_sync
        async def call() -> tuple[int, int]:
            return await in_caller_thread(submit)

        assert get_ident() not in call()

    def test_event_loop_of_the_function(self) -> None:
        """The thread cannot run a function for an event loop that it runs itself meanwhile."""

        @to_sync
        async def call() -> int:
            return await in_caller_thread(asyncio.run, where())

        assert call() != get_ident()

    def test_notebook(self) -> None:
        """A thread that blocks its own event loop, as in a notebook, runs it too."""

        def submit() -> int:
            return run_async(where).result(LIMIT)

        @to_sync
        async def call() -> tuple[int, int]:
            return await where(), await in_caller_thread(submit)

        async def cell() -> tuple[int, int]:
            with pytest.warns(match="blocks the running event loop"):
                return call()

        here, elsewhere = asyncio.run(cell())
        assert here == get_ident()
        assert elsewhere != get_ident()

    def test_shared_client(self, default_executor: AsyncExecutor) -> None:
        """Nobody waits in the task of a shared client."""

        @default_executor.shared
        @asynccontextmanager
        async def client() -> AsyncGenerator[int, None]:
            yield await where()

        @to_sync
        async def call() -> int:
            return await client

        assert call() != get_ident()

    def test_many_threads(self) -> None:
        """Of many threads that wait at once, each runs its own."""

        @to_sync
        async def call() -> set[int]:
            return {await where() for _ in range(20)}

        def check() -> bool:
            barrier.wait(LIMIT)
            return call() == {get_ident()}

        barrier = threading.Barrier(16)
        with ThreadPoolExecutor(16) as pool:
            assert all(pool.map(lambda _: check(), range(16)))

    def test_worker_thread(self) -> None:
        """A worker thread that waits runs it, however deep."""

        async def call(depth: int) -> list[bool]:
            if depth == 0:
                return []
            return await sync_to_async(check, depth)

        def check(depth: int) -> list[bool]:
            return [to_sync(where)() == get_ident(), *to_sync(call)(depth - 1)]

        assert to_sync(call)(30) == [True] * 30

    def test_nested(self) -> None:
        """A function there may call `to_sync` functions, which run theirs in the same thread."""

        async def call(depth: int) -> set[int]:
            if depth == 0:
                return set()
            return {await where()} | await in_caller_thread(to_sync(call), depth - 1)

        assert to_sync(call)(30) == {get_ident()}

    def test_other_executor(self) -> None:
        """The nearest caller is meant, of whichever executor."""
        with AsyncExecutor(thread_name_prefix="other") as other:

            async def outer() -> tuple[int, str]:
                name = await in_caller_thread(lambda: to_sync(executor=other)(inner)())
                return await where(), name

            async def inner() -> str:
                assert threading.current_thread().name == "other"
                return await in_caller_thread(worker_name)

            assert to_sync(outer)() == (get_ident(), worker_name())


class TestOrder:
    """One after another."""

    def test_at_once(self) -> None:
        """Functions of several tasks run one after another, in the order of their requests."""

        @to_sync
        async def call() -> None:
            await asyncio.gather(*(in_caller_thread(log.extend, [n, n]) for n in range(50)))

        log: list[int] = []
        call()

        assert log == [n for n in range(50) for _ in range(2)]

    def test_loop_goes_on(self) -> None:
        """The event loop goes on while a function runs."""

        @to_sync
        async def call() -> None:
            running = asyncio.ensure_future(in_caller_thread(gate.block))
            await asyncio.to_thread(gate.arrived)
            gate.open()
            await running

        with Gate() as gate:
            call()


class TestOutcome:
    """What becomes of what a function returns or raises."""

    @pytest.mark.parametrize("error", [ValueError("x"), SystemExit(3), BaseException("x")])
    def test_exception(self, error: BaseException) -> None:
        """What it raises goes to the task."""

        @to_sync
        async def call() -> BaseException | None:
            try:
                await in_caller_thread(raise_, error)
            except BaseException as caught:
                return caught
            return None

        assert call() is error

    def test_exception_of_the_call(self) -> None:
        """If the task lets it through, it comes back to where it was raised."""

        @to_sync
        async def call() -> None:
            await in_caller_thread(raise_, SystemExit(3))

        with pytest.raises(SystemExit):
            call()
        assert to_sync(where)() == get_ident()

    def test_stop_iteration(self) -> None:
        """StopIteration is a RuntimeError: it cannot be raised into a coroutine."""

        @to_sync
        async def call() -> None:
            await in_caller_thread(next, iter(()))

        with pytest.raises(RuntimeError, match="StopIteration"):
            call()

    def test_cancelled_inside(self) -> None:
        """A nested call that was cancelled cancels the task, as it would if it was awaited."""

        @to_sync
        async def inner() -> None:
            raise asyncio.CancelledError

        @to_sync
        async def call() -> None:
            await in_caller_thread(inner)

        with pytest.raises(CancelledError):
            call()

    def test_async_function(self) -> None:
        """An async function is refused."""

        @to_sync
        async def call(fn: Callable[[], object]) -> None:
            await in_caller_thread(fn)

        for fn in (where, functools.partial(where)):
            with pytest.raises(TypeError, match="is already async: await it instead"):
                call(fn)

        async def items() -> AsyncGenerator[int, None]:
            yield 1

        for generator in (items, functools.partial(items)):
            with pytest.raises(TypeError, match="is already async: loop over it with 'async for'"):
                call(generator)

    @pytest.mark.parametrize(
        "down",
        [
            """
            @to_sync
            async def down():
                return await in_caller_thread(down)
            """,
            """
            @to_sync
            async def items():
                yield 1
                yield await in_caller_thread(down)

            def down():
                return [*items()]
            """,
            """
            @asynccontextmanager
            async def opened():
                await in_caller_thread(down)
                yield

            def down():
                with to_sync(opened)():
                    pass
            """,
            """
            @asynccontextmanager
            async def opened():
                yield
                await in_caller_thread(down)

            def down():
                with to_sync(opened)():
                    pass
            """,
        ],
        ids=["call", "generator", "enter", "leave"],
    )
    def test_endless_recursion(self, down: str) -> None:
        """Wherever the stack is full, the caller gets a RecursionError and no call is left."""
        code = """
            import logging, time
            from contextlib import asynccontextmanager
            from aiofutures import get_default_executor, in_caller_thread, to_sync
            {down}
            def deeper(levels):
                return deeper(levels - 1) if levels else down()

            logging.disable()
            errors = 0
            for levels in range(20):
                try:
                    deeper(levels)
                except RecursionError:
                    errors += 1
            end = time.monotonic() + 10
            while get_default_executor().statistics().running and time.monotonic() < end:
                time.sleep(0.01)
            print(errors, get_default_executor().statistics().running)
            """

        assert run_untraced(code.replace("{down}", down.strip())) == "20 0\n"

    def test_context(self) -> None:
        """It runs in the task's context, and the task sees what it sets."""

        def change() -> str:
            before = variable.get()
            variable.set("function")
            return before

        async def call() -> tuple[str, str]:
            variable.set("task")
            return await in_caller_thread(change), variable.get()

        assert to_sync(call)() == ("task", "function")
        assert variable.get() == "function"
        assert run_async(call).result(LIMIT) == ("task", "function")

    def test_context_after_an_error(self) -> None:
        """The task sees what it has set before it raised."""

        def fail() -> None:
            variable.set("function")
            raise LookupError

        @to_sync
        async def call() -> str:
            with pytest.raises(LookupError):
                await in_caller_thread(fail)
            return variable.get()

        assert call() == "function"

    def test_thread_local(self) -> None:
        """What belongs to the thread is at hand."""
        local = threading.local()
        local.value = 1

        @to_sync
        async def call() -> Any:
            return await in_caller_thread(getattr, local, "value")

        assert call() == 1

    def test_not_awaited(self) -> None:
        """It does not begin before it is awaited."""

        @to_sync
        async def call() -> list[int]:
            log: list[int] = []
            waiting: Awaitable[None] = in_caller_thread(log.append, 1)
            await where()
            seen = [*log]
            await waiting
            return seen + log

        assert call() == [1]


class TestCancel:
    """A task that is cancelled while it waits."""

    def test_while_it_runs(self) -> None:
        """The task goes on at once; the outcome of the function is dropped."""

        @to_sync
        async def call() -> bool:
            try:
                async with asyncio.timeout(0.01):
                    await in_caller_thread(gate.block)
            except TimeoutError:
                gate.open()
                return True
            return False

        with Gate() as gate:
            assert call()

    def test_before_it_begins(self) -> None:
        """A function that has not begun never runs."""

        @to_sync
        async def call() -> None:
            first = asyncio.ensure_future(in_caller_thread(gate.block))
            second = asyncio.ensure_future(in_caller_thread(log.append, 1))
            await asyncio.to_thread(gate.arrived)
            second.cancel()
            await asyncio.wait([second])
            gate.open()
            await first
            await where()

        log: list[int] = []
        with Gate() as gate:
            call()
        assert log == []

    def test_from_outside(self, default_executor: AsyncExecutor) -> None:
        """The call ends as cancelled when the function has returned."""

        def cancel() -> None:
            in_thread(default_executor.cancel_futures).result(LIMIT)
            until(lambda: not default_executor.tasks)

        @to_sync
        async def call() -> None:
            await in_caller_thread(cancel)

        with pytest.raises(CancelledError):
            call()

    def test_shutdown(self, default_executor: AsyncExecutor) -> None:
        """While the executor shuts down, a function of its call may submit others."""

        def submit() -> int:
            default_executor.shutdown(wait=False)
            return to_sync(where)() + run_async(where).result(LIMIT) * 0

        @to_sync
        async def call() -> int:
            return await in_caller_thread(submit)

        assert call() == get_ident()
        with pytest.raises(InvalidStateError):
            call()

    def test_shutdown_that_would_wait_for_itself(self, default_executor: AsyncExecutor) -> None:
        """A function cannot wait for the end of the executor that runs its call."""

        @to_sync
        async def call() -> None:
            await in_caller_thread(default_executor.shutdown)

        with pytest.raises(DeadlockError, match="its own caller"):
            call()
        default_executor.shutdown()

    def test_loop_that_ends(self, default_executor: AsyncExecutor) -> None:
        """The event loop may end while the function runs."""

        def end() -> None:
            in_thread(default_executor.shutdown, cancel_futures=True).result(LIMIT)

        @to_sync
        async def call() -> None:
            await in_caller_thread(end)

        with pytest.raises(CancelledError):
            call()


class TestEndOfTheWait:
    """When the thread stops waiting."""

    def test_timeout_while_it_runs(self) -> None:
        """A time limit that passes meanwhile takes effect when the function returns."""

        @to_sync(timeout=0.3)
        async def call() -> None:
            try:
                await in_caller_thread(time.sleep, 0.5)
                await asyncio.sleep(LIMIT)
            finally:
                log.append("cleanup")

        log: list[str] = []
        with pytest.raises(TimeoutError):
            call()
        until(lambda: log == ["cleanup"])

    def test_timeout_of_many(self) -> None:
        """Functions that wait for their turn do not put the end of the time off."""

        @to_sync(timeout=0.01)
        async def call() -> None:
            await asyncio.gather(*(in_caller_thread(time.sleep, 0.1) for _ in range(100)))

        begin = time.monotonic()
        with pytest.raises(TimeoutError):
            call()
        assert time.monotonic() - begin < LIMIT / 2

    @pytest.mark.parametrize("timeout", [0, -1])
    def test_no_time(self, timeout: float) -> None:
        """Without any time nothing runs in the thread."""

        @to_sync(timeout=timeout)
        async def call() -> None:
            await in_caller_thread(log.append, 1)
            await asyncio.sleep(LIMIT)

        log: list[int] = []
        with pytest.raises(TimeoutError):
            call()
        assert log == []

    @pytest.mark.one_loop("handles a task in another call")
    def test_refused_after_a_timeout(self) -> None:
        """What has not begun is refused in the task, and what comes later."""

        @to_sync(timeout=0.3)
        async def call() -> None:
            background.append(asyncio.create_task(look()))
            background.append(asyncio.create_task(look()))
            await asyncio.sleep(LIMIT)

        async def look() -> int:
            await in_caller_thread(time.sleep, 0.5)
            return await where()

        async def outcomes() -> list[int | BaseException]:
            return await asyncio.gather(*background, return_exceptions=True)

        background: list[asyncio.Task[int]] = []
        with pytest.raises(TimeoutError):
            call()

        for outcome in run_async(outcomes).result(LIMIT):
            assert isinstance(outcome, InvalidStateError)
            assert "has stopped waiting" in str(outcome)

    def test_refused_in_the_cleanup(self) -> None:
        """The cleanup after an exception in the thread cannot run anything there."""

        @to_sync
        async def call() -> None:
            try:
                await in_caller_thread(interrupt)
            finally:
                with pytest.raises(InvalidStateError, match="has stopped waiting"):
                    await where()
                log.append("cleanup")

        log: list[str] = []
        with pytest.raises(Interruption):
            call()
        assert log == ["cleanup"]

    def test_ctrl_c(self) -> None:
        """Ctrl-C in a function cancels the call, once, and its child tasks."""

        @to_sync
        async def call() -> None:
            async def child() -> None:
                try:
                    await asyncio.sleep(LIMIT)
                finally:
                    await asyncio.sleep(0.01)
                    log.append("child")

            try:
                async with asyncio.TaskGroup() as group:
                    group.create_task(child())
                    await in_caller_thread(interrupt)
            except asyncio.CancelledError:
                await asyncio.sleep(0.01)
                log.append("cancelled")
                raise

        log: list[str] = []
        with pytest.raises(Interruption):
            call()
        assert log == ["child", "cancelled"]

    @pytest.mark.one_loop("handles a task in another call")
    def test_ctrl_c_for_a_task_in_the_background(self) -> None:
        """The task that has asked for the function is told, if it is not cancelled."""

        @to_sync
        async def call() -> None:
            background.append(asyncio.create_task(look()))
            await asyncio.sleep(LIMIT)

        async def look() -> None:
            await in_caller_thread(interrupt)

        async def outcome() -> BaseException | None:
            await asyncio.wait(background)
            return background[0].exception()

        background: list[asyncio.Task[None]] = []
        with pytest.raises(Interruption):
            call()
        assert isinstance(run_async(outcome).result(LIMIT), InvalidStateError)

    def test_ctrl_c_in_a_nested_call(self) -> None:
        """It goes through all the calls, and cancels each."""

        async def call(depth: int) -> None:
            try:
                if depth == 0:
                    await in_caller_thread(interrupt)
                await in_caller_thread(to_sync(call), depth - 1)
            finally:
                log.append(depth)

        log: list[int] = []
        with pytest.raises(Interruption):
            to_sync(call)(3)
        assert log == [0, 1, 2, 3]

    def test_ctrl_c_in_a_step(self) -> None:
        """It cancels the step, and closes the generator."""

        @to_sync
        async def generate() -> AsyncGenerator[int, None]:
            try:
                yield 1
                await in_caller_thread(interrupt)
            finally:
                log.append("closed")

        log: list[str] = []
        with pytest.raises(Interruption):
            list(generate())
        assert log == ["closed"]

    @pytest.mark.one_loop("handles a task in another call")
    def test_tasks_that_live_on(self) -> None:
        """Tasks that outlive the call count as submitted."""

        @to_sync
        async def call() -> None:
            background.append(asyncio.create_task(look()))

        async def look() -> str:
            await gate.wait()
            return await in_caller_thread(worker_name)

        async def outcome() -> str:
            return await background[0]

        background: list[asyncio.Task[str]] = []
        with Gate() as gate:
            call()
            gate.open()
            assert "worker" in run_async(outcome).result(LIMIT)

    def test_asked_before_the_end(self) -> None:
        """What a task has asked for before the call was done still runs in the thread."""

        @to_sync
        async def call() -> None:
            background.append(asyncio.ensure_future(in_caller_thread(time.sleep, 0.05)))
            background.append(asyncio.ensure_future(in_caller_thread(threads.append, get_ident())))
            await asyncio.sleep(0)
            await asyncio.sleep(0)

        threads: list[int] = []
        background: list[asyncio.Future[None]] = []
        call()
        assert len(threads) == 1

    @pytest.mark.one_loop("handles a task in another call")
    def test_ctrl_c_at_the_end(self) -> None:
        """Ctrl-C in one of the last functions refuses the others."""

        @to_sync
        async def call() -> None:
            background.append(asyncio.ensure_future(in_caller_thread(time.sleep, 0.05)))
            background.append(asyncio.ensure_future(in_caller_thread(interrupt)))
            background.append(asyncio.ensure_future(in_caller_thread(get_ident)))
            await asyncio.sleep(0)
            await asyncio.sleep(0)

        async def outcomes() -> list[Any]:
            return await asyncio.gather(*background, return_exceptions=True)

        background: list[asyncio.Future[Any]] = []
        with pytest.raises(Interruption):
            call()
        first, second, third = run_async(outcomes).result(LIMIT)
        assert first is None
        assert isinstance(second, InvalidStateError)
        assert isinstance(third, InvalidStateError)

    @pytest.mark.one_loop("handles a task in another call")
    def test_interrupted_before_the_wait(self) -> None:
        """A handler that raises before the wait has begun ends it as well."""

        async def call() -> None:
            background.append(asyncio.create_task(where()))
            await asyncio.sleep(LIMIT)

        async def outcome() -> BaseException | None:
            await asyncio.wait(background)
            return background[0].exception()

        def handle() -> None:
            until(lambda: bool(background))
            interrupt()

        background: list[asyncio.Task[int]] = []
        wait = call_module.wait
        with pytest.raises(Interruption), interrupted_at(wait, "if stacklevel is not", handle):
            to_sync(call)()
        assert isinstance(run_async(outcome).result(LIMIT), InvalidStateError)


class TestPlaces:
    """Under `max_workers`."""

    @pytest.fixture
    def limited(self, make_executor: MakeExecutor) -> AsyncExecutor:
        """A default executor that runs one call at a time."""
        executor = make_executor(max_workers=1)
        set_default_executor(executor)
        return executor

    def test_nested(self, limited: AsyncExecutor) -> None:
        """A call lends its place while a function in the thread waits for another one."""

        async def call(depth: int) -> int:
            assert limited.statistics().running <= 30
            return depth and 1 + await in_caller_thread(to_sync(call), depth - 1)

        assert to_sync(call)(20) == 20

    def test_submit_and_wait(self, limited: AsyncExecutor) -> None:
        """So it does for `submit` and `result`."""

        @to_sync
        async def call() -> int:
            return await in_caller_thread(lambda: run_async(asyncio.sleep, 0, 1).result(LIMIT))

        assert call() == 1

    def test_sandwich(self, limited: AsyncExecutor) -> None:
        """A worker thread that waits runs functions without its place."""

        async def call(depth: int) -> int:
            if depth == 0:
                return 0
            assert await in_caller_thread(int) == 0
            return 1 + await sync_to_async(to_sync(call), depth - 1)

        assert to_sync(call)(10) == 10

    def test_worker_of_another_executor(self, limited: AsyncExecutor) -> None:
        """A call lends its place to what its function waits for in another executor's thread."""

        async def outer() -> int:
            return await other.sync_to_async(to_sync(middle))

        async def middle() -> int:
            return await in_caller_thread(to_sync(inner))

        async def inner() -> int:
            return 1

        with AsyncExecutor() as other:
            assert to_sync(executor=other)(outer)() == 1

    def test_cancelled(self, limited: AsyncExecutor) -> None:
        """A task that is cancelled meanwhile has its place."""

        @to_sync
        async def call() -> tuple[int, int]:
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(in_caller_thread(gate.block), 0.01)
            gate.open()
            return limited.statistics().running, await in_caller_thread(int)

        with Gate() as gate:
            assert call() == (1, 0)
        assert to_sync(where)() == get_ident()


class TestFuture:
    """What carries a function to the thread."""

    def test_settled_by_a_task(self, executor: AsyncExecutor) -> None:
        """Another task that settles it does not run in the middle of the one that waits."""
        seen: list[object] = []

        async def work() -> int:
            host = LoopThread.running()
            assert host is not None
            future = CallerFuture(host._workers, asyncio.get_running_loop(), int, ("1",), {})

            async def wait() -> int:
                seen.append("waits")
                return await future

            waiting = asyncio.create_task(wait())
            await asyncio.sleep(0)
            future.add_done_callback(seen.append)
            assert future.run()
            future.settle()
            assert seen == ["waits"]
            value = await waiting
            assert seen == ["waits", future]
            return value

        assert executor.submit(work).result(LIMIT) == 1

    def test_removed_callback(self, executor: AsyncExecutor) -> None:
        """What was removed is not called, also where it came with a context as a task does."""
        seen: list[object] = []

        async def work() -> int:
            host = LoopThread.running()
            assert host is not None
            future = CallerFuture(host._workers, asyncio.get_running_loop(), int, (), {})
            future.add_done_callback(seen.append, context=contextvars.copy_context())
            removed = future.remove_done_callback(seen.append)
            future.run()
            future.settle()
            await asyncio.sleep(0)
            return removed

        assert executor.submit(work).result(LIMIT) == 1
        assert seen == []

    def test_cancelled_before_it_runs(self, executor: AsyncExecutor) -> None:
        """A thread that comes to it late does nothing."""
        seen: list[object] = []

        async def work() -> bool:
            host = LoopThread.running()
            assert host is not None
            loop = asyncio.get_running_loop()
            future = CallerFuture(host._workers, loop, seen.append, (1,), {})
            future.cancel()
            future.run_and_deliver()
            return future.cancelled()

        assert executor.submit(work).result(LIMIT)
        assert seen == []


class TestProcesses:
    """Forks and exits."""

    @pytest.mark.filterwarnings("ignore:.* is multi-threaded:DeprecationWarning")
    @pytest.mark.skipif(sys.platform == "win32", reason="Windows has no fork")
    def test_fork(self) -> None:
        """A child that is forked in a function is told that the call is the parent's."""

        def fork() -> None:
            in_child(child)

        def child() -> None:
            assert to_sync(where)() == get_ident()

        @to_sync
        async def call() -> int:
            await in_caller_thread(fork)
            return await where()

        assert call() == get_ident()

    @pytest.mark.skipif(sys.platform == "win32", reason="Windows has no fork")
    def test_child_that_returns(self) -> None:
        """In the child the call fails, and the parent's goes on."""
        script = """
            import os, warnings
            from aiofutures import BrokenExecutor, in_caller_thread, to_sync

            warnings.simplefilter("ignore", DeprecationWarning)  # of a fork with threads

            @to_sync
            async def call():
                pid = await in_caller_thread(os.fork)
                return pid, await in_caller_thread(os.getpid)

            try:
                pid, parent = call()
            except BrokenExecutor:
                print("child", flush=True)
                os._exit(0)
            os.waitpid(pid, 0)
            print("parent", parent == os.getpid())
        """
        assert run_python(script).split() == ["child", "parent", "True"]

    def test_exit(self) -> None:
        """The interpreter that ends waits for a function that another thread runs."""
        script = """
            import threading, time
            from aiofutures import in_caller_thread, to_sync

            @to_sync
            async def call():
                await in_caller_thread(started.set)
                await in_caller_thread(time.sleep, 0.2)
                return await in_caller_thread(str, "done")

            started = threading.Event()
            threading.Thread(target=lambda: print(call())).start()
            started.wait()
        """
        assert run_python(script) == "done\n"

    @starts_threads_at_exit
    def test_exit_function(self) -> None:
        """It works in functions of `atexit`."""
        script = """
            import atexit, threading
            from aiofutures import in_caller_thread, to_sync

            @to_sync
            async def call():
                return await in_caller_thread(threading.current_thread)

            atexit.register(lambda: print(call() is threading.main_thread()))
        """
        assert run_python(script) == "True\n"

    def test_copy_in_another_process(self) -> None:
        """Nobody waits there."""
        caller = pickle.loads(pickle.dumps(Caller()))

        assert caller.run(lambda: None) is None


class TestRaces:
    """Threads that meet."""

    @pytest.mark.one_loop("handles a task in another call")
    def test_end_of_the_call(self) -> None:
        """Functions that are asked for while the call ends run once each, somewhere."""

        @to_sync
        async def call() -> None:
            for _ in range(3):
                background.append(asyncio.create_task(look()))
            await where()

        async def look() -> None:
            await in_caller_thread(log.append, 1)
            await in_caller_thread(log.append, 1)

        async def outcomes() -> None:
            await asyncio.gather(*background)

        interval = sys.getswitchinterval()
        sys.setswitchinterval(1e-6)
        try:
            log: list[int] = []
            background: list[asyncio.Task[None]] = []
            for _ in range(100):
                call()
            run_async(outcomes).result(LIMIT)
        finally:
            sys.setswitchinterval(interval)
        assert len(log) == 600

    def test_after_the_look(self) -> None:
        """A thread that stops waiting just then leaves the function to others."""
        caller = Caller()

        async def main() -> None:
            def make() -> CallerFuture[int]:
                caller.is_waiting = False
                return future

            future = CallerFuture(Workers(), asyncio.get_running_loop(), get_ident, (), {})
            assert caller.run(make) is None
            assert future.cancelled()

        asyncio.run(main())
        caller.run_rest()
        assert not caller.items


class Workers:
    """Worker threads that nothing is asked of."""

    def hand_over(self, future: object, /) -> None:
        """Do nothing."""

    def run_here(self, future: object, /) -> bool:
        """Do nothing."""
        return False

    def note_end(self, future: object, /) -> None:
        """Do nothing."""
