"""Nothing that a user's object does keeps anybody waiting."""

import asyncio
import logging
import sys
import threading
from collections.abc import AsyncGenerator, Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar, copy_context
from typing import Any
from weakref import ref

import pytest
from support import (
    LIMIT,
    Gate,
    MakeExecutor,
    echo,
    echo_later,
    frees_at_once,
    in_child,
    in_thread,
    limit_of,
    run_python,
    until,
)
from typing_extensions import override

from aiofutures import AsyncExecutor, Future, first, gather
from aiofutures._common.logging import LOGGER, log_warning
from aiofutures._futures.waiters import OutcomeWaiter
from aiofutures._loops import lifecycle
from aiofutures._loops.caller import Caller
from aiofutures._sync.call import _is_done_when_cancelled


class Raising(logging.Handler):
    """A handler with a fault."""

    @override
    def emit(self, record: logging.LogRecord) -> None:
        raise OSError("the disk is full")


@pytest.fixture
def unraisable(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Any]]:
    """What was raised where nobody can receive it."""
    found: list[Any] = []
    monkeypatch.setattr(sys, "unraisablehook", found.append)
    yield found
    found.clear()


class TestLogging:
    """A logging handler that raises."""

    def test_of_a_callback(
        self, make_executor: MakeExecutor, unraisable: list[Any], logged_errors: list[Any]
    ) -> None:
        """The other callbacks are called, the place is free again, and the fault is shown."""
        executor = make_executor(max_workers=1)
        called = threading.Event()
        handler = Raising()
        logging.getLogger("aiofutures").addHandler(handler)
        try:
            with Gate() as gate:
                futures = [executor.submit(gate.wait), executor.submit(echo, None)]
                for future in futures:
                    future.add_done_callback(lambda _: 1 / 0)
                    future.add_done_callback(lambda _: called.set())
            assert called.wait(LIMIT)
            assert executor.submit(echo, 1).result(LIMIT) == 1
            executor.shutdown()
        finally:
            logging.getLogger("aiofutures").removeHandler(handler)
        # With what was to be logged.
        shown = {str(error.exc_value) for error in unraisable}
        assert shown == {"the disk is full", "division by zero"}
        assert limit_of(executor)._taken == set()
        logged_errors.clear()

    @frees_at_once
    def test_of_the_event_loop(
        self, make_executor: MakeExecutor, unraisable: list[Any], logged_errors: list[Any]
    ) -> None:
        """What asyncio logs, and an error that nobody has fetched, do not end the event loop."""
        executor = make_executor(max_workers=1)
        handler = Raising()
        logging.getLogger("asyncio").addHandler(handler)

        async def leave_faults() -> None:
            asyncio.get_running_loop().call_soon(lambda: 1 / 0)
            raise LookupError("nobody asks")

        try:
            future = executor.submit(leave_faults)
            until(future.done)
            del future
            until(lambda: len(unraisable) == 4)
            assert executor.submit(echo_later, 1).result(LIMIT) == 1
        finally:
            logging.getLogger("asyncio").removeHandler(handler)
        shown = {str(error.exc_value) for error in unraisable}
        assert shown == {"the disk is full", "division by zero", "nobody asks"}
        logged_errors.clear()

    def test_of_a_warning(self, unraisable: list[Any]) -> None:
        """Where there was no error to log, the handler's own is shown alone."""
        handler = Raising()
        LOGGER.addHandler(handler)
        try:
            log_warning("the end waits")
        finally:
            LOGGER.removeHandler(handler)

        assert [str(error.exc_value) for error in unraisable] == ["the disk is full"]

    def test_shown_by_python(self) -> None:
        """Python shows what the handler raised, and what was to be logged."""
        output = run_python(
            """
            import logging, sys
            from aiofutures import run_async

            class Raising(logging.Handler):
                def emit(self, record):
                    raise OSError("the disk is full")

            async def work():
                return 1

            sys.stderr = sys.stdout
            logging.getLogger().addHandler(Raising())
            future = run_async(work)
            future.add_done_callback(lambda _: 1 / 0)
            print(future.result(), run_async(work).result())
            """
        )

        assert "1 1\n" in output
        assert "OSError: the disk is full" in output
        assert "ZeroDivisionError" in output


class TestReplacedTaskClass:
    """Another `asyncio.Task`, as debuggers and nest_asyncio put it there."""

    def test_calls_go_on(self, executor: AsyncExecutor, monkeypatch: pytest.MonkeyPatch) -> None:
        """Calls run, whatever arguments that class takes."""

        class Task(asyncio.Task[Any]):
            def __init__(
                self, coro: Any, *, loop: Any = None, name: Any = None, context: Any = None
            ) -> None:
                super().__init__(coro, loop=loop, name=name, context=context)

        monkeypatch.setattr(asyncio, "Task", Task)

        assert executor.submit(echo, 1).result(LIMIT) == 1
        assert executor.submit(echo_later, 2).result(LIMIT) == 2


class NoTask(asyncio.Future[Any]):
    """What some task factories make: awaitable and cancellable, and no task."""

    def __init__(self, loop: asyncio.AbstractEventLoop, coro: Any) -> None:
        super().__init__(loop=loop)
        self._real: asyncio.Task[Any] = asyncio.Task(coro, loop=loop)
        self._real.add_done_callback(self._copy)

    def set_name(self, name: str) -> None:
        """Take a name, which asyncio gives to whatever a factory makes."""

    def _copy(self, real: asyncio.Task[Any]) -> None:
        if real.cancelled():
            super().cancel()
        else:
            self.set_result(real.result())

    @override
    def cancel(self, msg: Any = None) -> bool:
        return self._real.cancel(msg)


def test_factory_without_tasks() -> None:
    """What a task factory makes that is no task is cancelled as others are."""

    def make_loop() -> asyncio.AbstractEventLoop:
        loop = asyncio.new_event_loop()
        factory: Any = lambda loop, coro, **_: NoTask(loop, coro)  # noqa: E731
        loop.set_task_factory(factory)
        return loop

    with AsyncExecutor(loop_factory=make_loop) as executor:
        futures: list[Future[Any]] = [executor.submit(asyncio.sleep, LIMIT) for _ in range(3)]
        until(lambda: executor.statistics().running == 3)
        assert futures[0].cancel()
        executor.cancel_futures()
        until(lambda: all(future.cancelled() for future in futures))
        assert executor.submit(echo_later, 1).result(LIMIT) == 1


class Wrapper:
    """What other task factories make: a wrapper of a task, whose callbacks get what it wraps."""

    def __init__(self, loop: asyncio.AbstractEventLoop, coro: Any) -> None:
        self._real: asyncio.Task[Any] = asyncio.Task(coro, loop=loop)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)


def test_factory_of_wrappers() -> None:
    """Calls whose tasks a task factory wraps end, and their places are free again."""

    def make_loop() -> asyncio.AbstractEventLoop:
        loop = asyncio.new_event_loop()
        factory: Any = lambda loop, coro, **_: Wrapper(loop, coro)  # noqa: E731
        loop.set_task_factory(factory)
        return loop

    with AsyncExecutor(max_workers=1, loop_factory=make_loop) as executor:
        assert executor.submit(echo_later, 1).result(LIMIT) == 1
        future: Future[Any] = executor.submit(asyncio.sleep, LIMIT)
        until(future.running)
        assert future.cancel()
        until(future.cancelled)
        assert executor.submit(echo_later, 2).result(LIMIT) == 2
        # As the end of the interpreter does.
        end = executor._loop_thread.end_background_tasks
        assert in_thread(end).result(LIMIT) is False


class Proxy:
    """A lazy proxy: nothing of it is to be had, not even its class."""

    @override
    def __getattribute__(self, name: str) -> Any:
        raise OSError("not loaded")


class NoFuture:
    """What a task factory with a fault makes."""

    def set_name(self, name: str) -> None:
        """Take a name, which asyncio gives to whatever a factory makes."""


def test_function_that_returns_a_proxy(make_executor: MakeExecutor) -> None:
    """A sync function may return what refuses to be looked at: its future ends nevertheless."""
    executor = make_executor(max_workers=1)
    returns_proxy: Any = Proxy
    first_call, second_call = executor.submit(returns_proxy), executor.submit(echo, 1)

    assert isinstance(first_call.exception(LIMIT), OSError)
    assert second_call.result(LIMIT) == 1


@pytest.mark.one_loop("sets up one loop")
def test_factory_with_a_fault(executor: AsyncExecutor) -> None:
    """The calls fail for which a task factory makes nothing like a task; later ones do not."""

    async def set_factory(factory: Any) -> None:
        asyncio.get_running_loop().set_task_factory(factory)

    def make_nothing(_loop: object, coro: Any, **_: object) -> NoFuture:
        coro.close()
        return NoFuture()

    executor.submit(set_factory, make_nothing).result(LIMIT)
    futures = [executor.submit(echo, 1) for _ in range(2)]

    assert all(isinstance(future.exception(LIMIT), AttributeError) for future in futures)
    loop = executor._loop_thread._run.loop
    assert loop is not None
    loop.set_task_factory(None)
    assert executor.submit(echo_later, 2).result(LIMIT) == 2


@pytest.mark.one_loop("sets up one loop")
@pytest.mark.parametrize("method", ["add_done_callback", "cancelled", "exception", "result"])
def test_factory_of_faulty_tasks(
    executor: AsyncExecutor, logged_errors: list[Any], method: str
) -> None:
    """A call fails with what its task raises; later ones do not."""

    class Faulty(asyncio.Task[Any]):
        def fail(self, *_: object, **__: object) -> None:
            raise LookupError(method)

    setattr(Faulty, method, Faulty.fail)

    def make_faulty(loop: Any, coro: Any, **options: Any) -> Faulty:
        options.pop("eager_start", None)
        return Faulty(coro, loop=loop, **options)

    async def set_factory(factory: Any) -> None:
        asyncio.get_running_loop().set_task_factory(factory)

    executor.submit(set_factory, make_faulty).result(LIMIT)
    future = executor.submit(echo_later, 1)

    assert isinstance(future.exception(LIMIT), LookupError)
    loop = executor._loop_thread._run.loop
    assert loop is not None
    loop.set_task_factory(None)
    assert executor.submit(echo_later, 2).result(LIMIT) == 2
    logged_errors.clear()


def test_callback_without_attributes(executor: AsyncExecutor) -> None:
    """A callback whose attributes raise is called."""
    called = threading.Event()

    class Callback(Proxy):
        def __call__(self, future: Future[Any]) -> None:
            called.set()

    with Gate() as gate:
        executor.submit(gate.wait).add_done_callback(Callback())

    assert called.wait(LIMIT)


def test_part_without_attributes() -> None:
    """`gather` raises what such a part raises, and closes the coroutines beside it."""
    part = echo(1)
    proxy: Any = Proxy()

    with pytest.raises(OSError, match="not loaded"):
        _ = gather(proxy, part)

    with pytest.raises(RuntimeError, match="cannot reuse"):
        part.send(None)


class TestLoopFactory:
    """What a `loop_factory` returns that is not a new event loop."""

    def test_running_loop(self) -> None:
        """A loop that runs already is refused, and goes on."""

        async def main() -> int:
            executor = AsyncExecutor(loop_factory=asyncio.get_running_loop)
            with pytest.raises(RuntimeError, match=r"loop_factory.*run_coroutine_threadsafe"):
                _ = executor.submit(echo, 1)
            await asyncio.sleep(0)
            return await asyncio.to_thread(len, "ab")

        assert asyncio.run(main()) == 2

    def test_loop_of_another_executor(self, executor: AsyncExecutor) -> None:
        """So is that of another executor, whose calls go on."""

        async def get_loop() -> asyncio.AbstractEventLoop:
            return asyncio.get_running_loop()

        loop = executor.submit(get_loop).result(LIMIT)
        other = AsyncExecutor(loop_factory=lambda: loop)

        for _ in range(2):
            with pytest.raises(RuntimeError, match="loop_factory"):
                _ = other.submit(echo, 1)

        assert executor.submit(echo_later, 1).result(LIMIT) == 1
        other.shutdown()

    @pytest.mark.parametrize("made", [None, "no loop", "closed"])
    def test_no_loop(self, made: str | None) -> None:
        """So is what is closed or no loop; a later submit may work."""

        def make_loop() -> Any:
            if len(made_loops) > 1:
                return asyncio.new_event_loop()
            made_loops.append(made)
            if made != "closed":
                return made
            loop = asyncio.new_event_loop()
            loop.close()
            return loop

        made_loops: list[str | None] = []
        with AsyncExecutor(loop_factory=make_loop) as executor:
            for _ in range(2):
                with pytest.raises((TypeError, RuntimeError), match="loop_factory"):
                    _ = executor.submit(echo, 1)
            assert executor.submit(echo, 2).result(LIMIT) == 2


request_id: ContextVar[str] = ContextVar("request_id", default="none")


class TestContext:
    """The context of what is not the user's call."""

    @pytest.mark.parametrize("fn", [echo, echo_later])
    @pytest.mark.parametrize("max_workers", [None, 1])
    def test_of_callbacks(
        self, make_executor: MakeExecutor, fn: Callable[[int], Any], max_workers: int | None
    ) -> None:
        """A done callback never sees that of an unrelated call."""
        executor = make_executor(max_workers=max_workers)
        seen: list[str] = []

        async def other(number: int) -> None:
            request_id.set(f"other {number}")
            _ = executor.submit(echo, 0)
            await asyncio.sleep(0)

        def submit_other(number: int) -> Future[None]:
            request_id.set(f"caller {number}")
            return executor.submit(other, number)

        futures: list[Future[Any]] = []
        for number in range(100):
            futures.append(copy_context().run(submit_other, number))
            future = executor.submit(fn, number)
            future.add_done_callback(lambda _: seen.append(request_id.get()))
            futures.append(future)
        for future in futures:
            future.result(LIMIT)
        executor.shutdown()

        assert set(seen) == {"none"}

    def test_of_what_a_cancellation_starts(self, make_executor: MakeExecutor) -> None:
        """Nor does what starts when another call was cancelled, or has lent its place."""
        executor = make_executor(max_workers=1)
        seen: list[str] = []

        def cancel(future: Future[Any]) -> None:
            request_id.set("of the canceller")
            future.cancel()

        with Gate() as gate:
            running = executor.submit(gate.wait)
            gate.arrived()
            running.add_done_callback(lambda _: seen.append(request_id.get()))
            after = executor.submit(echo, 1)
            after.add_done_callback(lambda _: seen.append(request_id.get()))
            copy_context().run(cancel, running)
            after.result(LIMIT)
        executor.shutdown()

        assert seen == ["none", "none"]


class Awaiting:
    """An awaitable that is not a coroutine."""

    def __init__(self, error: BaseException) -> None:
        self.error = error

    def __await__(self) -> Generator[Any, None, None]:
        yield
        raise self.error


def test_stop_iteration_of_a_part() -> None:
    """A future that somebody ends with StopIteration does not end `gather` in silence."""
    with AsyncExecutor() as executor:
        source: Future[Any] = executor.submit(asyncio.sleep, LIMIT)
        by_hand: Future[int] = Future()
        by_hand.set_exception(StopIteration())
        for combine in (gather, first):
            with pytest.raises(RuntimeError, match="StopIteration"):
                combine(source.map(str), by_hand).result(LIMIT)
        source.cancel()


@pytest.mark.skipif(sys.platform == "win32", reason="needs os.fork")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_callers_pool_in_a_child() -> None:
    """A forked child of a parent that has used the caller's pool has threads of its own."""
    with ThreadPoolExecutor(2, initializer=lambda: None) as pool:
        with AsyncExecutor(pool) as executor:

            async def work() -> int:
                return await executor.sync_to_async(len, "ab")

            assert executor.submit(work).result(LIMIT) == 2

            def check() -> None:
                assert executor.submit(work).result(LIMIT) == 2

            in_child(check)


def test_slot_of_a_loop_that_was_left(make_executor: MakeExecutor) -> None:
    """A worker thread that leaves its loop in the middle of a wait has its slot again."""
    executor = make_executor()
    with Gate() as gate:

        async def wait(future: Future[None]) -> None:
            await future

        def work(future: Future[None]) -> None:
            loop = asyncio.new_event_loop()
            task = loop.create_task(wait(future))
            loop.run_until_complete(asyncio.sleep(0))
            task._log_destroy_pending = False  # type: ignore[attr-defined]
            loop.close()

        async def start() -> None:
            await executor.sync_to_async(work, executor.submit(gate.wait))

        executor.submit(start).result(LIMIT)
        pool = executor._loop_thread._workers._own_pool
        until(lambda: pool._free == pool._size)


def test_wait_for_worker_threads(make_executor: MakeExecutor) -> None:
    """A wait for worker threads ends when its time is up."""
    executor = make_executor()
    with Gate() as gate:

        async def start() -> None:
            await executor.sync_to_async(gate.block)

        blocked = executor.submit(start)
        gate.arrived()
        assert not executor._loop_thread._workers.wait_until_idle(0.01)
    blocked.result(LIMIT)


class TestEnd:
    """What the end of the interpreter does with a loop thread."""

    def test_that_never_ran(self) -> None:
        """There is nothing to end."""
        executor = AsyncExecutor()
        loop_thread = executor._loop_thread

        assert not loop_thread.end_background_tasks()
        loop_thread.pass_turn(LIMIT)
        executor.shutdown()
        assert not loop_thread.end_background_tasks()

    def test_that_is_shut_down(self, executor: AsyncExecutor) -> None:
        """Its own end is waited for."""
        with Gate() as gate:
            running = executor.submit(gate.wait)
            gate.arrived()
            executor.shutdown(wait=False)
            ending = in_thread(executor._loop_thread.end_background_tasks)
        assert not ending.result(LIMIT)
        assert running.done()

    def test_reports_what_is_left(self) -> None:
        """An error that is gone by then is passed over."""
        lifecycle.unfetched[0] = ref(Running())
        lifecycle._report_unfetched()
        del lifecycle.unfetched[0]


class Running:
    """Something that is gone at once."""

    def report(self) -> None:
        """Fail: there is nobody left."""
        raise AssertionError


def test_task_of_an_async_generator(executor: AsyncExecutor) -> None:
    """A task that the `finally` of an open async generator makes is cancelled with the rest."""
    tasks: list[asyncio.Task[None]] = []
    generators: list[Any] = []

    async def generate() -> AsyncGenerator[int, None]:
        try:
            yield 1
        finally:
            tasks.append(asyncio.create_task(asyncio.sleep(LIMIT)))

    async def start() -> None:
        generators.append(generate())
        await anext(generators[0])

    executor.submit(start).result(LIMIT)
    executor.shutdown()

    assert tasks[0].cancelled()


def test_outcome_that_comes_too_late() -> None:
    """Whatever comes after the outcome changes nothing."""
    future: Future[int] = Future()
    future.set_result(1)
    future.settle_cancelled()
    assert future.result() == 1
    assert _is_done_when_cancelled(future, Caller())

    async def main() -> bool:
        waiter = OutcomeWaiter(future)
        asyncio.Future.cancel(waiter)
        waiter._complete()
        return waiter.cancelled()

    assert asyncio.run(main())
