"""The synchronous views of async generators, iterators and context managers."""

import asyncio
import concurrent.futures
import gc
import inspect
import itertools
import logging
import os
import signal
import subprocess
import sys
import threading
import time
import traceback
import weakref
from collections.abc import (
    AsyncGenerator,
    AsyncIterator,
    Awaitable,
    Callable,
    Generator,
    Iterator,
)
from contextlib import (
    AbstractAsyncContextManager,
    AbstractContextManager,
    asynccontextmanager,
    contextmanager,
)
from contextvars import ContextVar, copy_context
from types import TracebackType
from typing import Any, NoReturn, ParamSpec, Self, TypeVar

import pytest
from support import (
    LIMIT,
    Gate,
    MakeExecutor,
    echo,
    frees_at_once,
    in_thread,
    interpreter,
    interrupted_at,
    let_go,
    loop_that_calls,
    run_python,
    until,
)
from typing_extensions import override

from aiofutures import (
    AsyncExecutor,
    CancelledError,
    DeadlockError,
    Future,
    InvalidStateError,
    to_sync,
)
from aiofutures._decorators import ToSync
from aiofutures._loops.blocking import _acquire
from aiofutures._sync import call as sync_call
from aiofutures._sync.call import SubmitsCalls
from aiofutures._sync.views import _generate

P = ParamSpec("P")
T = TypeVar("T")

needs_signals = pytest.mark.skipif(not hasattr(signal, "SIGUSR1"), reason="needs SIGUSR1")


@pytest.fixture
def sync(executor: AsyncExecutor) -> ToSync:
    """`to_sync` over each kind of event loop."""
    return to_sync(executor=executor)


class Special(Exception):
    """An exception of these tests."""


class Interruption(BaseException):
    """What a signal handler raises, like Ctrl-C."""


def wait_until(condition: Callable[[], bool]) -> bool:
    """Wait for what nobody announces; return whether it has come."""
    deadline = time.monotonic() + LIMIT
    while not condition() and time.monotonic() < deadline:
        threading.Event().wait(0.001)
    return condition()


@contextmanager
def interruptible() -> Iterator[Callable[[], None]]:
    """Make a function for another thread: it raises Interruption in this one, once that waits."""
    handled = threading.Event()
    lock = threading.Lock()  # no signal any more when its handler is gone

    def handle(*_: object) -> None:
        if not handled.is_set():
            handled.set()
            raise Interruption

    def waits() -> bool:
        return sys._current_frames()[me].f_code is _acquire.__code__

    def has_handled() -> bool:
        with lock:
            if signal.getsignal(signal.SIGUSR1) is handle and not handled.is_set():
                signal.pthread_kill(me, signal.SIGUSR1)
        return handled.wait(0.01)

    def interrupt() -> None:
        handled.clear()
        assert wait_until(waits)
        assert wait_until(has_handled)  # again: CPython misses one right before the wait

    before = signal.signal(signal.SIGUSR1, handle)
    me = threading.get_ident()
    try:
        yield interrupt
    finally:
        with lock:
            signal.signal(signal.SIGUSR1, before)


@contextmanager
def blocked(executor: AsyncExecutor, interrupt: Callable[[], None]) -> Iterator[None]:
    """Block the event loop, and interrupt the thread that then waits for it."""

    async def hold() -> None:
        gate.block()

    with Gate() as gate:
        started = executor.submit(hold)
        gate.arrived()
        watcher = in_thread(interrupt)
        yield
    watcher.result(LIMIT)
    started.result(LIMIT)


async def count(number: int) -> AsyncGenerator[int, None]:
    """Yield the numbers below `number`, some at once and some later."""
    for item in range(number):
        if item % 2:
            await asyncio.sleep(0)
        yield item


class Counter:
    """An async iterator that is no generator."""

    def __init__(self, number: int) -> None:
        self.left = iter(range(number))
        self.seen_on: set[object] = set()

    def __aiter__(self) -> Self:
        self.seen_on.add(asyncio.get_running_loop())
        return self

    async def __anext__(self) -> int:
        self.seen_on.add(asyncio.get_running_loop())
        await asyncio.sleep(0)
        try:
            return next(self.left)
        except StopIteration:
            raise StopAsyncIteration from None


class ClosingCounter(Counter):
    """The same, and it is to be closed."""

    closed = 0

    async def aclose(self) -> None:
        self.closed += 1


@asynccontextmanager
async def logged(log: list[object], value: int = 1) -> AsyncGenerator[int, None]:
    """Write down how it is entered and left."""
    await asyncio.sleep(0)
    log.append("enter")
    try:
        yield value
    except BaseException as error:
        log.append(type(error))
        raise
    finally:
        await asyncio.sleep(0)
        log.append("exit")


class Logged:
    """An async context manager that is a class."""

    def __init__(self, log: list[object], *, suppress: bool = False) -> None:
        self.log = log
        self.suppress = suppress

    async def __aenter__(self) -> Self:
        self.log.append(asyncio.current_task())
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_val: BaseException | None,
        exc_tb: TracebackType | None,
    ) -> bool:
        await asyncio.sleep(0)
        self.log += [asyncio.current_task(), exc_type, exc_val, exc_tb]
        return self.suppress


class TestTwoLoops:
    """An executor that has several event loops, and sends each call to the next."""

    @pytest.fixture
    def alternating(self, make_executor: MakeExecutor) -> SubmitsCalls:
        """Return one of two loops."""
        loops = itertools.cycle([make_executor(), make_executor()])

        class Alternating:
            def submit(
                self, fn: Callable[P, Awaitable[T]], /, *args: P.args, **kwargs: P.kwargs
            ) -> Future[T]:
                return next(loops).submit(fn, *args, **kwargs)

        return Alternating()

    def test_items(self, alternating: SubmitsCalls) -> None:
        """All steps of a generator go to one of them: no item is lost."""

        @to_sync(executor=alternating)
        async def generate() -> AsyncIterator[int]:
            for number in range(4):
                await asyncio.sleep(0)
                yield number

        assert [list(generate()) for _ in range(3)] == [[0, 1, 2, 3]] * 3

    def test_entering_and_leaving(self, alternating: SubmitsCalls) -> None:
        """A `with` block is left where it was entered, also after another call."""
        loops: list[asyncio.AbstractEventLoop] = []

        @to_sync(executor=alternating)
        @asynccontextmanager
        async def manage() -> AsyncIterator[None]:
            loops.append(asyncio.get_running_loop())
            yield
            loops.append(asyncio.get_running_loop())

        with manage():
            alternating.submit(asyncio.sleep, 0).result(LIMIT)

        assert loops[0] is loops[1]


class TestWhatIsReturned:
    """What the function returns decides what the caller gets."""

    def test_awaitable_before_context_manager_before_iterator(self, sync: ToSync) -> None:
        """An awaitable is awaited, whatever else it is."""

        class Entered:
            async def __aenter__(self) -> str:
                return "entered"

            async def __aexit__(self, *_: object) -> None: ...

            def __aiter__(self) -> AsyncIterator[int]:
                return count(1)

        class Awaited(Entered):
            def __await__(self) -> Generator[Any, None, str]:
                yield from asyncio.sleep(0).__await__()
                return "awaited"

        awaited: Callable[[], Awaitable[str]] = Awaited
        both: Callable[[], AbstractAsyncContextManager[str, None]] = Entered

        assert sync(awaited)() == "awaited"
        with sync(both)() as value:
            assert value == "entered"

    def test_iterable(self, sync: ToSync) -> None:
        """What has `__aiter__` alone is iterated too."""

        class Numbers:
            def __aiter__(self) -> AsyncIterator[int]:
                return count(2)

        numbers: Callable[[], Any] = Numbers
        iterate: Any = sync(numbers)

        assert [*iterate()] == [0, 1]

    def test_half_a_context_manager(self, sync: ToSync) -> None:
        """What can only be entered is no context manager."""

        class Half:
            async def __aenter__(self) -> None: ...

        half: Callable[[], Any] = Half
        view: Any = sync(half)

        with pytest.raises(TypeError, match="not an awaitable, an async context manager or"):
            view()

    @pytest.mark.parametrize("value", [5, [1], None])
    def test_anything_else(self, sync: ToSync, value: object) -> None:
        """Anything else is a TypeError that names the function and what it got."""

        def wrong() -> Any:
            return value

        view: Any = sync(wrong)

        with pytest.raises(TypeError) as caught:
            view()

        assert f"returned {value!r}" in str(caught.value)
        assert "wrong" in str(caught.value)

    def test_error_of_the_call(self, sync: ToSync) -> None:
        """What the function itself raises is raised by the call."""
        error = Special()

        def wrong() -> AsyncGenerator[int, None]:
            raise error

        with pytest.raises(Special) as caught:
            sync(wrong)()

        assert caught.value is error

    def test_context_of_the_call(self, sync: ToSync) -> None:
        """What the call itself changes in context variables is changed for the caller."""
        variable = ContextVar("variable", default=0)

        def start() -> AsyncGenerator[int, None]:
            variable.set(1)
            return count(1)

        sync(start)()

        assert variable.get() == 1


class TestGenerator:
    """An async generator is a generator."""

    def test_items(self, sync: ToSync) -> None:
        """It yields what the async generator yields."""
        assert [*sync(count)(5)] == [0, 1, 2, 3, 4]
        assert [*sync(count)(0)] == []

    def test_kind_and_name(self, sync: ToSync) -> None:
        """It is a real generator, and bears the name of the function."""
        generator = sync(count)(5)

        assert inspect.isgenerator(generator)
        assert generator.__name__ == generator.__qualname__ == "count"

    def test_lazy(self, sync: ToSync) -> None:
        """The body begins with the first step, and goes no further than asked."""
        log: list[object] = []

        async def items() -> AsyncGenerator[int, None]:
            for item in range(3):
                log.append(item)
                yield item

        generator = sync(items)()
        assert log == []
        assert next(generator) == 0
        assert log == [0]

    def test_dropped_before_the_first_step(self, executor: AsyncExecutor, sync: ToSync) -> None:
        """A generator that was never asked runs nothing."""
        generator = sync(count)(5)

        generator.close()

        assert [*generator] == []
        assert executor.tasks == set()

    def test_send(self, sync: ToSync) -> None:
        """`send` has the `yield` return what was sent."""

        async def repeat() -> AsyncGenerator[str, str | None]:
            received = yield "ready"
            while received:
                await asyncio.sleep(0)
                received = yield received * 2

        generator = sync(repeat)()

        assert next(generator) == "ready"
        assert generator.send("a") == "aa"
        assert generator.send("b") == "bb"
        with pytest.raises(StopIteration):
            next(generator)

    def test_throw_that_is_handled(self, sync: ToSync) -> None:
        """`throw` raises at the `yield`; a generator that handles it goes on."""
        error = Special()

        async def handle() -> AsyncGenerator[object, None]:
            try:
                yield 1
            except Special as thrown:
                yield thrown
            yield 2

        generator = sync(handle)()
        next(generator)

        assert generator.throw(error) is error
        assert [*generator] == [2]

    @pytest.mark.parametrize("error", [Special(), KeyboardInterrupt(), SystemExit(1)])
    def test_throw_that_is_not_handled(self, sync: ToSync, error: BaseException) -> None:
        """`throw` raises what the generator does not handle, the very same."""
        generator = sync(count)(5)
        next(generator)

        with pytest.raises(type(error)) as caught:
            generator.throw(error)

        assert caught.value is error
        assert [*generator] == []

    @pytest.mark.parametrize("error", [Special(), SystemExit(1), TimeoutError()])
    def test_error(self, executor: AsyncExecutor, sync: ToSync, error: BaseException) -> None:
        """An error of the generator is raised by the step, with the line that raised it."""

        async def broken() -> AsyncGenerator[int, None]:
            yield 1
            await asyncio.sleep(0)
            raise error

        generator = sync(broken)()
        next(generator)

        with pytest.raises(type(error)) as caught:
            next(generator)

        assert caught.value is error
        assert "broken" in [frame.name for frame in traceback.extract_tb(caught.tb)]
        assert [*generator] == []
        assert executor.tasks == set()

    def test_cancelled_by_itself(self, sync: ToSync) -> None:
        """The cancellation of asyncio is that of concurrent.futures here, as in `result`."""

        async def give_up() -> AsyncGenerator[int, None]:
            yield 1
            raise asyncio.CancelledError

        generator = sync(give_up)()
        next(generator)

        with pytest.raises(CancelledError):
            next(generator)

    def test_yield_from(self, sync: ToSync) -> None:
        """`yield from` hands items, `send`, `throw` and `close` through."""
        log: list[object] = []

        async def inner() -> AsyncGenerator[int, str]:
            try:
                log.append((yield 1))
                try:
                    yield 2
                except Special as error:
                    log.append(error)
                yield 3
            finally:
                log.append("closed")

        def outer() -> Generator[int, str, None]:
            yield from sync(inner)()

        error = Special()
        generator = outer()

        assert next(generator) == 1
        assert generator.send("sent") == 2
        assert generator.throw(error) == 3
        generator.close()
        assert log == ["sent", error, "closed"]

    def test_two_interleaved(self, sync: ToSync) -> None:
        """Several generators do not disturb each other."""
        first, second = sync(count)(3), sync(count)(3)

        assert [*zip(first, second, first, strict=False)] == [(0, 0, 1)]
        assert [*second] == [2]

    def test_another_thread(self, sync: ToSync) -> None:
        """One thread may begin and another one go on."""
        generator = sync(count)(4)

        assert next(generator) == 0
        assert in_thread(next, generator).result(LIMIT) == 1
        assert in_thread(generator.close).result(LIMIT) is None
        assert [*generator] == []

    def test_one_in_each_of_many_threads(self, sync: ToSync) -> None:
        """Threads have generators of their own at the same time."""
        consumers = [in_thread(lambda: [*sync(count)(20)]) for _ in range(8)]

        assert all(consumer.result(LIMIT) == [*range(20)] for consumer in consumers)

    def test_under_max_workers(self, make_executor: MakeExecutor) -> None:
        """Between two steps it takes up no place; in a step it may lend its own."""
        executor = make_executor(max_workers=1)

        async def work(item: int) -> int:
            await asyncio.sleep(0)
            return item

        async def squares() -> AsyncGenerator[int, None]:
            for item in range(3):
                yield await executor.submit(work, item * item)

        generator = to_sync(executor=executor)(squares)()

        pairs = [(item, executor.submit(work, item).result(LIMIT)) for item in generator]
        assert pairs == [(0, 0), (1, 1), (4, 4)]

    @frees_at_once
    def test_items_are_not_kept(self, sync: ToSync) -> None:
        """An item that both sides have let go of is gone: memory is bounded."""
        alive: weakref.WeakSet[Special] = weakref.WeakSet()
        counts = []

        async def produce() -> AsyncGenerator[Special, None]:
            for _ in range(10):
                item = Special()
                alive.add(item)
                yield item
                del item
                counts.append(len(alive))

        gc.disable()
        try:
            for item in sync(produce)():
                assert item in alive
                del item
        finally:
            gc.enable()

        assert counts == [0] * 10

    def test_exceptions_die_without_the_collector(
        self, executor: AsyncExecutor, sync: ToSync
    ) -> None:
        """An exception that was thrown in and came back leaves no reference cycle."""

        def fetch() -> weakref.ref[Special]:
            generator = sync(count)(2)
            next(generator)
            try:
                generator.throw(Special())
            except Special as error:
                return weakref.ref(error)
            raise AssertionError

        gc.disable()
        try:
            reference = fetch()
            let_go(executor)

            assert reference() is None
        finally:
            gc.enable()

    def test_nothing_is_left_for_the_collector(self, executor: AsyncExecutor, sync: ToSync) -> None:
        """What the context variables of its task held is let go of at its end."""
        variable: ContextVar[object] = ContextVar("variable")

        async def produce() -> AsyncGenerator[weakref.ref[Special], None]:
            kept = Special()
            variable.set(kept)
            yield weakref.ref(kept)
            yield weakref.ref(kept)

        gc.disable()
        try:
            references = copy_context().run(list, sync(produce)())
            let_go(executor)

            assert [reference() for reference in references] == [None, None]
        finally:
            gc.enable()


class TestEndOfAGenerator:
    """However it ends, its `finally` has run and nothing is left."""

    @pytest.fixture
    def log(self) -> list[str]:
        """What has happened."""
        return []

    @pytest.fixture
    def items(self, sync: ToSync, log: list[str]) -> Callable[[], Generator[int, None, None]]:
        """A generator function that writes down its end."""

        async def items() -> AsyncGenerator[int, None]:
            try:
                async for item in count(5):
                    yield item
            finally:
                await asyncio.sleep(0)
                log.append("finally")

        return sync(items)

    def test_exhaustion(
        self,
        executor: AsyncExecutor,
        items: Callable[[], Generator[int, None, None]],
        log: list[str],
    ) -> None:
        """After the last item no task is left."""
        assert len([*items()]) == 5

        assert log == ["finally"]
        until(lambda: executor.tasks == set())  # asyncio closes `count` a turn later

    def test_break(
        self,
        executor: AsyncExecutor,
        items: Callable[[], Generator[int, None, None]],
        log: list[str],
    ) -> None:
        """Leaving a `for` early runs its `finally` before the next statement."""
        for _ in items():
            break
        log.append("after")

        assert log == ["finally", "after"]
        until(lambda: executor.tasks == set())  # asyncio closes `count` a turn later

    def test_exception_in_the_body(
        self, items: Callable[[], Generator[int, None, None]], log: list[str]
    ) -> None:
        """So does an exception in the body; the generator does not see it."""
        with pytest.raises(Special):
            for _ in items():
                raise Special

        assert log == ["finally"]

    def test_dropped(self, items: Callable[[], Generator[int, None, None]], log: list[str]) -> None:
        """Dropping the last reference runs it."""
        generator = items()
        next(generator)

        del generator

        assert log == ["finally"]

    def test_close(self, items: Callable[[], Generator[int, None, None]], log: list[str]) -> None:
        """`close` runs it, once."""
        generator = items()
        next(generator)

        generator.close()
        generator.close()

        assert log == ["finally"]

    def test_error_in_finally(self, sync: ToSync) -> None:
        """`close` raises what the `finally` raises."""
        error = Special()

        async def items() -> AsyncGenerator[int, None]:
            try:
                yield 1
            finally:
                raise error

        generator = sync(items)()
        next(generator)

        with pytest.raises(Special) as caught:
            generator.close()
        assert caught.value is error

    def test_group_of_exceptions(self, sync: ToSync) -> None:
        """A group is not taken apart."""
        error = BaseExceptionGroup("cleanup", [concurrent.futures.CancelledError(), Special()])

        async def items() -> AsyncGenerator[int, None]:
            try:
                yield 1
            finally:
                raise error

        generator = sync(items)()
        next(generator)

        with pytest.raises(ExceptionGroup) as caught:
            generator.close()
        assert caught.value is error

    def test_close_that_takes_too_long_to_begin(self, make_executor: MakeExecutor) -> None:
        """If the time limit passes in the queue, the generator is closed later."""
        executor = make_executor(max_workers=1)
        closed = threading.Event()

        async def items() -> AsyncGenerator[int, None]:
            try:
                yield 1
            finally:
                closed.set()

        generator = to_sync(executor=executor, timeout=0.1)(items)()
        next(generator)
        with Gate() as gate:
            other = executor.submit(gate.wait)
            gate.arrived()
            with pytest.raises(TimeoutError):
                generator.close()
            assert not closed.is_set()
        other.result(LIMIT)

        assert closed.wait(LIMIT)
        until(lambda: not executor.tasks)

    def test_close_that_is_ignored(
        self, executor: AsyncExecutor, sync: ToSync, logged_errors: list[logging.LogRecord]
    ) -> None:
        """A generator that goes on after `close` is told off, as everywhere."""

        async def stubborn() -> AsyncGenerator[int, None]:
            try:
                yield 1
            except GeneratorExit:
                yield 2

        generator = sync(stubborn)()
        next(generator)

        with pytest.raises(RuntimeError, match="ignored GeneratorExit"):
            generator.close()
        executor.shutdown()
        logged_errors.clear()  # asyncio complains of such a generator too

    def test_dropped_on_the_loop_thread(self, executor: AsyncExecutor, sync: ToSync) -> None:
        """Where the loop itself drops it, the cleanup comes later instead of never."""
        cleaned = threading.Event()

        async def items() -> AsyncGenerator[int, None]:
            try:
                yield 1
            finally:
                await asyncio.sleep(0)
                cleaned.set()

        async def drop() -> None:
            box.clear()

        box = [sync(items)()]
        next(box[0])

        executor.submit(drop).result(LIMIT)

        assert cleaned.wait(LIMIT)

    def test_shutdown(
        self,
        executor: AsyncExecutor,
        items: Callable[[], Generator[int, None, None]],
        log: list[str],
    ) -> None:
        """A shutdown does not wait for an open generator: it ends it."""
        generator = items()
        next(generator)

        executor.shutdown()

        assert log == ["finally"]
        with pytest.raises(InvalidStateError):
            next(generator)

    def test_close_after_shutdown(
        self, executor: AsyncExecutor, items: Callable[[], Generator[int, None, None]]
    ) -> None:
        """After a shutdown there is nothing left to close."""
        generator = items()
        next(generator)
        executor.shutdown()

        generator.close()

        assert [*generator] == []

    def test_close_while_shutting_down(self, executor: AsyncExecutor, sync: ToSync) -> None:
        """A generator that is closed while the executor shuts down is ended by that."""
        cleaned = threading.Event()

        async def items() -> AsyncGenerator[int, None]:
            try:
                yield 1
            finally:
                cleaned.set()

        with Gate() as gate:
            generator = sync(items)()
            next(generator)
            running = executor.submit(gate.wait)
            gate.arrived()
            executor.shutdown(wait=False)

            generator.close()

            assert running.running()
        executor.shutdown()
        assert cleaned.is_set()

    def test_shutdown_with_one_that_ignores_it(self, executor: AsyncExecutor, sync: ToSync) -> None:
        """A generator that takes its cancellation for something else does not stop a shutdown."""

        async def stubborn() -> AsyncGenerator[int, None]:
            try:
                yield 1
            except asyncio.CancelledError:
                yield 2

        generator = sync(stubborn)()
        next(generator)

        executor.shutdown()

        until(lambda: executor.tasks == set())  # asyncio closes `count` a turn later

    @pytest.mark.one_loop("a step on another loop may be done before the wait")
    def test_own_loop(
        self,
        executor: AsyncExecutor,
        items: Callable[[], Generator[int, None, None]],
        log: list[str],
    ) -> None:
        """A step on the loop that has to do it is a DeadlockError; then the generator is closed."""
        generator = items()
        next(generator)

        async def step() -> int:
            return next(generator)

        with pytest.raises(DeadlockError, match="items"):
            executor.submit(step).result(LIMIT)

        executor.shutdown()
        assert log == ["finally"]

    def test_cancel_futures(self, executor: AsyncExecutor, sync: ToSync) -> None:
        """Cancelling what runs cancels a step; the generator is cleaned up."""
        log: list[object] = []

        async def wait() -> AsyncGenerator[int, None]:
            try:
                await gate.wait()
                yield 1
            finally:
                await asyncio.sleep(0)
                log.append("finally")

        with Gate() as gate:
            step = in_thread(next, sync(wait)())
            gate.arrived()

            executor.cancel_futures()

            with pytest.raises(CancelledError):
                step.result(LIMIT)
        assert log == ["finally"]
        until(lambda: executor.tasks == set())  # asyncio closes `count` a turn later

    def test_cancellation_that_is_swallowed(self, executor: AsyncExecutor, sync: ToSync) -> None:
        """A step that swallows its cancellation delivers its item, and the generator goes on."""

        async def wait() -> AsyncGenerator[int, None]:
            try:
                await gate.wait()
            except asyncio.CancelledError:
                yield 1
            yield 2

        with Gate() as gate:
            generator = sync(wait)()
            step = in_thread(next, generator)
            gate.arrived()

            executor.cancel_futures()

            assert step.result(LIMIT) == 1
        assert [*generator] == [2]

    def test_many_cancellations(self, executor: AsyncExecutor, sync: ToSync) -> None:
        """Cancelling it over and over, from elsewhere, loses no step."""

        async def items() -> AsyncGenerator[int, None]:
            while True:
                await asyncio.sleep(0)
                yield 1

        def consume() -> None:
            while not done.is_set():
                try:
                    for _ in sync(items)():
                        pass
                except CancelledError:
                    cancelled.release()

        done = threading.Event()
        cancelled = threading.Semaphore(0)
        consumer = in_thread(consume)
        try:
            for _ in range(50):
                while not cancelled.acquire(timeout=0):
                    executor.cancel_futures()
        finally:
            done.set()
            while not consumer.done():
                executor.cancel_futures()

        assert consumer.result() is None
        assert wait_until(lambda: not executor.tasks)  # the last one may still be closing


class TestTimeout:
    """The time-out of `to_sync`."""

    def test_of_a_step(self, executor: AsyncExecutor) -> None:
        """A step that takes too long is cancelled, and the generator is closed."""
        cleaned = threading.Event()

        @to_sync(timeout=0.5, executor=executor)
        async def wait() -> AsyncGenerator[int, None]:
            try:
                yield 1
                await gate.wait()
            finally:
                cleaned.set()

        with Gate() as gate:
            generator = wait()
            next(generator)

            with pytest.raises(TimeoutError, match=r"wait\(\) was cancelled.* 0.5 seconds"):
                next(generator)

            assert cleaned.wait(LIMIT)
        assert [*generator] == []

    def test_of_a_first_step_that_is_about_to_begin(self) -> None:
        """The task that begins nevertheless ends again."""
        gate = Gate()

        def block(coroutine: Any) -> None:
            # That of an async generator has no name.
            if getattr(coroutine, "__qualname__", None) == "StepTask._serve":
                gate.block()

        executor = AsyncExecutor(loop_factory=lambda: loop_that_calls(block))
        generator = to_sync(timeout=0.1, executor=executor)(count)(3)
        with gate, pytest.raises(TimeoutError):
            next(generator)

        until(lambda: executor.tasks == set())
        generator.close()
        executor.shutdown()

    def test_that_is_ignored(self, executor: AsyncExecutor) -> None:
        """A generator that yields although its step was cancelled is closed all the same."""
        cleaned = threading.Event()
        # The start of the thread takes a while, and counts.
        executor.submit(echo, 1).result(LIMIT)

        @to_sync(timeout=0.3, executor=executor)
        async def wait() -> AsyncGenerator[int, None]:
            try:
                try:
                    await gate.wait()
                except asyncio.CancelledError:
                    yield 1
            finally:
                cleaned.set()

        with Gate() as gate:
            with pytest.raises(TimeoutError):
                next(wait())

            assert cleaned.wait(LIMIT)

    def test_leaves_the_consumer_alone(self, executor: AsyncExecutor) -> None:
        """What the consumer does between two steps does not count."""
        bounded = to_sync(timeout=0.5, executor=executor)
        items = []

        for item in bounded(count)(3):
            assert not threading.Event().wait(0.2)
            items.append(item)

        assert items == [0, 1, 2]

    def test_of_the_close(self, executor: AsyncExecutor) -> None:
        """A cleanup that takes too long is cancelled too."""
        log: list[object] = []

        @to_sync(timeout=0.5, executor=executor)
        async def items() -> AsyncGenerator[int, None]:
            try:
                yield 1
            finally:
                try:
                    await gate.wait()
                finally:
                    log.append("cancelled")

        with Gate() as gate:
            generator = items()
            next(generator)

            with pytest.raises(TimeoutError):
                generator.close()
        executor.shutdown()
        assert log == ["cancelled"]

    def test_of_enter(self, executor: AsyncExecutor) -> None:
        """Entering is cancelled when it takes too long; the body does not run."""
        log: list[object] = []
        # As above.
        executor.submit(echo, 1).result(LIMIT)

        @to_sync(timeout=0.3, executor=executor)
        @asynccontextmanager
        async def slow() -> AsyncGenerator[None, None]:
            try:
                await gate.wait()
                yield
            finally:
                log.append("left")

        with Gate() as gate:
            with pytest.raises(TimeoutError, match="slow"), slow():
                log.append("body")
        executor.shutdown()
        assert log == ["left"]

    def test_of_exit(self, executor: AsyncExecutor) -> None:
        """Leaving is cancelled when it takes too long."""
        log: list[object] = []

        @to_sync(timeout=0.5, executor=executor)
        @asynccontextmanager
        async def slow() -> AsyncGenerator[None, None]:
            yield
            try:
                await gate.wait()
            finally:
                log.append("cancelled")

        with Gate() as gate:
            with pytest.raises(TimeoutError, match="slow"), slow():
                log.append("body")
        executor.shutdown()
        assert log == ["body", "cancelled"]

    def test_enter_that_finishes_too_late(self, executor: AsyncExecutor) -> None:
        """What was entered although that took too long is left again."""
        log: list[object] = []

        class Stubborn(Logged):
            @override
            async def __aenter__(self) -> Self:
                try:
                    await asyncio.sleep(LIMIT)
                except asyncio.CancelledError:
                    log.append("entered")
                return self

        bounded = to_sync(timeout=0.3, executor=executor)
        with pytest.raises(TimeoutError), bounded(Stubborn)(log):
            log.append("body")
        executor.shutdown()
        assert log[0] == "entered"
        assert log[2] is TimeoutError
        assert "body" not in log


@needs_signals
class TestInterruption:
    """An exception from a signal handler, such as Ctrl-C, in the thread that waits."""

    def test_of_a_step(self, executor: AsyncExecutor, sync: ToSync) -> None:
        """It goes on when the generator has been cleaned up."""
        log: list[object] = []

        async def wait() -> AsyncGenerator[int, None]:
            try:
                interrupt()
                await asyncio.sleep(LIMIT)
                yield 1
            finally:
                await asyncio.sleep(0)
                log.append("finally")

        with interruptible() as interrupt, pytest.raises(Interruption):
            next(sync(wait)())

        assert log == ["finally"]
        assert executor.tasks == set()

    def test_between_two_steps(self, executor: AsyncExecutor, sync: ToSync) -> None:
        """The generator is closed, as nobody else could do it any more."""
        ended = threading.Event()

        async def items() -> AsyncGenerator[int, None]:
            try:
                yield 1
                yield 2
            finally:
                ended.set()

        generator = sync(items)()
        next(generator)

        def handle() -> NoReturn:
            raise Interruption

        with pytest.raises(Interruption), interrupted_at(_generate, "del item", handle):
            next(generator)

        assert ended.wait(LIMIT)
        assert [*generator] == []
        until(lambda: executor.tasks == set())

    @pytest.mark.one_loop("blocks one loop")
    def test_of_a_close_that_has_not_begun(
        self, executor: AsyncExecutor, sync: ToSync, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The generator is closed all the same, as soon as the loop comes to it."""
        monkeypatch.setattr(sync_call, "_CLEANUP_SECONDS", 0.1)
        log: list[object] = []

        async def items() -> AsyncGenerator[int, None]:
            try:
                yield 1
            finally:
                log.append("finally")

        with interruptible() as interrupt:
            generator = sync(items)()
            next(generator)
            with pytest.raises(Interruption), blocked(executor, interrupt):
                generator.close()
        executor.shutdown()
        assert log == ["finally"]

    @pytest.mark.one_loop("blocks one loop")
    def test_of_an_exit_that_has_not_begun(
        self, executor: AsyncExecutor, sync: ToSync, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """It is left all the same, as soon as the loop comes to it."""
        monkeypatch.setattr(sync_call, "_CLEANUP_SECONDS", 0.1)
        log: list[object] = []

        with interruptible() as interrupt:
            manager = sync(logged)(log)
            manager.__enter__()
            with pytest.raises(Interruption), blocked(executor, interrupt):
                manager.__exit__(None, None, None)
        executor.shutdown()
        assert log == ["enter", "exit"]

    def test_of_the_body(self, sync: ToSync) -> None:
        """In the body of a `with` it is seen by the exit, like any other exception."""
        log: list[object] = []

        with interruptible(), pytest.raises(Interruption), sync(logged)(log):
            signal.raise_signal(signal.SIGUSR1)

        assert log == ["enter", Interruption, "exit"]


class TestTask:
    """A generator or context manager is one task for its whole life."""

    def test_one_task(self, executor: AsyncExecutor, sync: ToSync) -> None:
        """All steps and the cleanup are in one task, which has the name of the function."""
        tasks = []

        async def items() -> AsyncGenerator[int, None]:
            try:
                for item in range(3):
                    tasks.append(asyncio.current_task())
                    yield item
            finally:
                tasks.append(asyncio.current_task())

        generator = sync(items)()
        next(generator)
        next(generator)
        generator.close()

        assert len(tasks) == 3
        assert len(set(tasks)) == 1
        assert tasks[0]
        assert tasks[0].get_name().endswith("test_one_task.<locals>.items")

    @pytest.mark.one_loop("says where all calls run")
    def test_plain_iterator_on_the_loop(self, executor: AsyncExecutor, sync: ToSync) -> None:
        """`__aiter__` and `__anext__` are called on the event loop."""
        counter = Counter(3)

        def iterate() -> AsyncIterator[int]:
            return counter

        async def loop() -> object:
            return asyncio.get_running_loop()

        assert [*sync(iterate)()] == [0, 1, 2]
        assert counter.seen_on == {executor.submit(loop).result(LIMIT)}

    def test_asend_on_the_loop(self, sync: ToSync) -> None:
        """Already the call of `asend`, `athrow` and `aclose` is on the event loop."""
        log: list[object] = []

        class Sink(Counter):
            def asend(self, value: str) -> Awaitable[str]:
                return self._note("asend", value)

            def athrow(self, error: BaseException) -> Awaitable[str]:
                return self._note("athrow", str(error))

            def aclose(self) -> Awaitable[str]:
                return self._note("aclose", "")

            def _note(self, name: str, value: str) -> Awaitable[str]:
                asyncio.get_running_loop()
                log.append(name)
                return asyncio.sleep(0, value)

        sink: Callable[[int], Any] = Sink
        view: Any = sync(sink)
        generator = view(3)

        assert next(generator) == 0
        assert generator.send("sent") == "sent"
        assert generator.throw(Special("thrown")) == "thrown"
        generator.close()
        assert log == ["asend", "athrow", "aclose"]

    @pytest.mark.parametrize("kind", [Counter, ClosingCounter])
    def test_plain_iterator_is_closed(self, sync: ToSync, kind: type[Counter]) -> None:
        """An iterator is closed if it can be, when the consumer leaves or throws."""
        left, thrown = kind(3), kind(3)
        error = Special()

        for _ in sync(lambda: left)():
            break
        generator = sync(lambda: thrown)()
        next(generator)
        with pytest.raises(Special) as caught:
            generator.throw(error)

        assert caught.value is error
        assert getattr(left, "closed", 1) == 1
        assert getattr(thrown, "closed", 2) in {1, 2}

    def test_sending_to_a_plain_iterator(self, sync: ToSync) -> None:
        """What is not an async generator takes no values: it is closed then."""
        counter = ClosingCounter(3)
        generator: Any = sync(lambda: counter)()
        next(generator)

        with pytest.raises(TypeError, match=r"cannot send to .*ClosingCounter"):
            generator.send(1)

        assert [*generator] == []
        assert counter.closed == 1

    def test_timeout_across_yields(self, sync: ToSync) -> None:
        """`asyncio.timeout` holds from one step to the next."""

        async def bounded() -> AsyncGenerator[int, None]:
            async with asyncio.timeout(0.05):
                yield 1
                await asyncio.sleep(LIMIT)

        generator = sync(bounded)()
        next(generator)

        with pytest.raises(TimeoutError):
            next(generator)

    def test_timeout_between_two_steps(self, executor: AsyncExecutor, sync: ToSync) -> None:
        """One that expires while the consumer is busy is raised by the next step."""
        expired = threading.Event()

        async def bounded() -> AsyncGenerator[int, None]:
            try:
                async with asyncio.timeout(0.01):
                    yield 1
            finally:
                expired.set()

        generator = sync(bounded)()
        next(generator)
        assert expired.wait(LIMIT)

        with pytest.raises(TimeoutError):
            next(generator)
        assert [*generator] == []
        assert executor.tasks == set()

    @pytest.mark.parametrize("close", [False, True])
    def test_timeout_that_is_handled(
        self, executor: AsyncExecutor, sync: ToSync, close: bool
    ) -> None:
        """A generator that handles one that has expired meanwhile goes on, or is closed."""
        expired = threading.Event()
        cleaned = threading.Event()

        async def bounded() -> AsyncGenerator[int, None]:
            try:
                try:
                    async with asyncio.timeout(0.01):
                        yield 1
                except TimeoutError:
                    expired.set()
                    yield 2
                yield 3
            finally:
                cleaned.set()

        generator = sync(bounded)()
        next(generator)
        assert expired.wait(LIMIT)

        if close:
            generator.close()

        assert [*generator] == ([] if close else [2, 3])
        assert cleaned.is_set()
        assert executor.tasks == set()

    def test_throw_after_a_timeout_that_is_handled(self, sync: ToSync) -> None:
        """What is thrown in is not lost: it comes where the generator has gone on to."""
        expired = threading.Event()

        async def bounded() -> AsyncGenerator[object, None]:
            try:
                async with asyncio.timeout(0.01):
                    yield 1
            except TimeoutError:
                expired.set()
            try:
                yield 2
            except Special as error:
                yield error
            yield 3

        generator = sync(bounded)()
        next(generator)
        assert expired.wait(LIMIT)
        error = Special()

        assert generator.throw(error) is error
        assert [*generator] == [3]

    def test_task_group_across_yields(self, sync: ToSync) -> None:
        """Tasks of a group run on between the steps, and end with the generator."""

        async def produce() -> AsyncGenerator[int, None]:
            queue: asyncio.Queue[int] = asyncio.Queue()

            async def put(item: int) -> None:
                await queue.put(item)

            async with asyncio.TaskGroup() as group:
                for item in range(3):
                    group.create_task(put(item))
                for _ in range(3):
                    yield await queue.get()

        assert [*sync(produce)()] == [0, 1, 2]

    def test_task_group_that_fails_between_two_steps(self, sync: ToSync) -> None:
        """The failure of a group, while the consumer is busy, is raised by the next step."""
        log: list[object] = []
        failed = threading.Event()

        async def produce() -> AsyncGenerator[int, None]:
            async def break_down() -> None:
                await gate.wait()
                raise Special

            try:
                async with asyncio.TaskGroup() as group:
                    group.create_task(break_down())
                    try:
                        yield 1
                    except asyncio.CancelledError:
                        log.append("cancelled")
                        raise
            finally:
                failed.set()

        with Gate() as gate:
            generator = sync(produce)()
            next(generator)
            gate.arrived()
        assert failed.wait(LIMIT)

        with pytest.raises(ExceptionGroup) as caught:
            next(generator)
        assert [type(error) for error in caught.value.exceptions] == [Special]
        assert log == ["cancelled"]

    @pytest.mark.one_loop("handles a task in another call")
    def test_cancelled_between_two_steps(self, executor: AsyncExecutor, sync: ToSync) -> None:
        """When somebody cancels the task meanwhile, the next step raises CancelledError."""
        generator = sync(count)(3)
        next(generator)
        (task,) = executor.tasks

        async def cancel() -> None:
            task.cancel()
            await asyncio.wait([task])

        executor.submit(cancel).result(LIMIT)

        with pytest.raises(CancelledError):
            next(generator)
        assert [*generator] == []

    @pytest.mark.one_loop("handles a task in another call")
    def test_cancelled_between_two_steps_and_ignored(
        self, executor: AsyncExecutor, sync: ToSync
    ) -> None:
        """A generator that yields instead is closed: nobody might ever ask it for more."""
        cleaned = threading.Event()

        async def stubborn() -> AsyncGenerator[int, None]:
            try:
                try:
                    yield 1
                except asyncio.CancelledError:
                    yield 2
            finally:
                cleaned.set()

        async def cancel() -> None:
            task.cancel()

        generator = sync(stubborn)()
        next(generator)
        (task,) = executor.tasks

        executor.submit(cancel).result(LIMIT)

        assert cleaned.wait(LIMIT)
        with pytest.raises(CancelledError):
            next(generator)


class TestContext:
    """Context variables, both ways."""

    def test_of_a_generator(self, sync: ToSync) -> None:
        """Each side sees, at each step, what the other one has changed; as with `async for`."""
        variable = ContextVar("variable", default="nothing")
        seen = []

        async def items() -> AsyncGenerator[int, None]:
            seen.append(variable.get())
            variable.set("from the generator")
            yield 1
            seen.append(variable.get())
            yield 2
            seen.append(variable.get())

        variable.set("from the caller")
        generator = sync(items)()
        next(generator)
        seen.append(variable.get())
        variable.set("from the body")
        next(generator)
        seen.append(variable.get())
        assert [*generator] == []

        assert seen == [
            "from the caller",
            "from the generator",
            "from the body",
            "from the body",
            "from the body",
        ]

    def test_untouched_ones_are_kept(self, sync: ToSync) -> None:
        """A step does not bring back what the caller has changed meanwhile."""
        variable = ContextVar("variable", default=0)
        generator = sync(count)(3)

        for item in generator:
            variable.set(item + 1)

        assert variable.get() == 3

    def test_of_a_context_manager(self, sync: ToSync) -> None:
        """What enter sets is visible in the body, and gone when exit resets it."""
        variable: ContextVar[object] = ContextVar("variable")

        @asynccontextmanager
        async def setting(value: object) -> AsyncGenerator[None, None]:
            token = variable.set(value)
            yield
            variable.reset(token)

        with sync(setting)("outer"):
            assert variable.get() == "outer"
            with sync(setting)("inner"):
                assert variable.get() == "inner"
            assert variable.get() == "outer"

        assert variable not in [*variables()]

    def test_set_in_the_body(self, sync: ToSync) -> None:
        """Exit sees what the body has set, also where that was set and reset before."""
        variable = ContextVar("variable", default="nothing")
        seen = []

        @asynccontextmanager
        async def looking() -> AsyncGenerator[None, None]:
            token = variable.set("from enter")
            yield
            seen.append(variable.get())
            variable.reset(token)
            seen.append(variable.get())

        with sync(looking)():
            variable.set("from the body")
        seen.append(variable.get())

        assert seen == ["from the body", "nothing", "nothing"]

    def test_set_and_reset_on_both_sides(self, sync: ToSync) -> None:
        """However often both sides set and reset a variable, each sees the last state."""
        variable = ContextVar("variable", default="nothing")
        seen = []

        async def items() -> AsyncGenerator[int, None]:
            for item in range(2):
                seen.append(variable.get())
                token = variable.set(f"inside {item}")
                yield item
                variable.reset(token)
                yield item

        for _ in zip(generator := sync(items)(), range(2), strict=False):
            seen.append(variable.get())
            next(generator)
            seen.append(variable.get())
            token = variable.set("body")
            variable.reset(token)

        assert seen == ["nothing", "inside 0", "nothing", "nothing", "inside 1", "nothing"]

    def test_in_another_thread(self, sync: ToSync) -> None:
        """What one thread's step has set is not unset for another thread, whose own it is not."""
        variable = ContextVar("variable", default=0)

        async def items() -> AsyncGenerator[int, None]:
            token = variable.set(1)
            yield variable.get()
            variable.reset(token)
            yield variable.get()

        generator = sync(items)()

        assert in_thread(next, generator).result(LIMIT) == 1
        assert next(generator) == 0
        assert variable.get() == 0


def variables() -> Iterator[ContextVar[Any]]:
    """Return those that are set here."""
    return iter(copy_context())


class TestContextManager:
    """An async context manager is a context manager."""

    def test_enter_and_exit(self, executor: AsyncExecutor, sync: ToSync) -> None:
        """It is entered, gives its value, and is left after the body."""
        log: list[object] = []

        with sync(logged)(log, 5) as value:
            log.append(value)

        assert log == ["enter", 5, "exit"]
        assert executor.tasks == set()

    def test_kind(self, sync: ToSync) -> None:
        """It is what an `ExitStack` and a checker take for a context manager."""
        assert isinstance(sync(logged)([]), AbstractContextManager)

    def test_left_too_often(self, sync: ToSync) -> None:
        """What was not entered, or was left already, says so."""
        log: list[object] = []
        manager = sync(logged)(log)
        with pytest.raises(RuntimeError, match="left already"):
            manager.__exit__(None, None, None)

        with manager:
            pass
        with pytest.raises(RuntimeError, match="left already"):
            manager.__exit__(None, None, None)

        assert log == ["enter", "exit"]

    def test_class(self, sync: ToSync) -> None:
        """A class works too: enter and exit are in one task, and exit gets the exception."""
        log: list[object] = []
        error = Special()

        with pytest.raises(Special), sync(Logged)(log) as entered:
            assert isinstance(entered, Logged)
            raise error

        entering, leaving, exc_type, exc_val, exc_tb = log
        assert entering is leaving is not None
        assert (exc_type, exc_val) == (Special, error)
        assert exc_tb is error.__traceback__

    def test_error_of_the_body_after_a_shutdown(
        self, executor: AsyncExecutor, sync: ToSync
    ) -> None:
        """The body's own error goes on."""
        with pytest.raises(Special), sync(logged)([]):
            executor.shutdown()
            raise Special

    def test_exit_while_shutting_down(self, executor: AsyncExecutor, sync: ToSync) -> None:
        """Where it is not left yet, it says that it cannot be left any more from outside."""
        log: list[object] = []
        with Gate() as gate:
            _ = executor.submit(gate.wait)
            gate.arrived()

            with pytest.raises(InvalidStateError, match="after shutdown"), sync(logged)(log):
                executor.shutdown(wait=False)

            assert log == ["enter"]
        executor.shutdown()
        assert log == ["enter", asyncio.CancelledError, "exit"]

    def test_exit_that_is_refused_something(self, sync: ToSync) -> None:
        """An exit that itself raises such an error raises it."""

        @asynccontextmanager
        async def refusing() -> AsyncGenerator[None, None]:
            yield
            raise InvalidStateError("of the exit")

        with pytest.raises(InvalidStateError, match="of the exit"), sync(refusing)():
            pass

    def test_exit_without_an_exception(self, sync: ToSync) -> None:
        """Without an exception, exit gets none."""
        log: list[object] = []

        with sync(Logged)(log):
            pass

        assert log[2:] == [None, None, None]

    @pytest.mark.parametrize("error", [Special(), KeyboardInterrupt(), SystemExit(1)])
    def test_exception_passes(self, sync: ToSync, error: BaseException) -> None:
        """An exception of the body is seen inside, and goes on with its traceback."""
        log: list[object] = []

        def fail() -> None:
            raise error

        with pytest.raises(type(error)) as caught, sync(logged)(log):
            fail()

        assert caught.value is error
        assert traceback.extract_tb(caught.tb)[-1].name == "fail"
        assert log == ["enter", type(error), "exit"]

    def test_exception_suppressed(self, sync: ToSync) -> None:
        """Exit may suppress it."""
        log: list[object] = []

        with sync(Logged)(log, suppress=True):
            raise Special

        assert log[2] is Special

    def test_exception_replaced(self, sync: ToSync) -> None:
        """Exit may raise another one, which has the first for its context."""
        first = Special("first")

        @asynccontextmanager
        async def replacing() -> AsyncGenerator[None, None]:
            try:
                yield
            except Special as error:
                raise OSError("second") from error

        with pytest.raises(OSError, match="second") as caught, sync(replacing)():
            raise first

        assert caught.value.__cause__ is first

    def test_exception_in_enter(self, executor: AsyncExecutor, sync: ToSync) -> None:
        """What enter raises is raised by the `with` statement; nothing is left."""
        error = Special()
        log: list[object] = []

        @asynccontextmanager
        async def broken() -> AsyncGenerator[None, None]:
            await asyncio.sleep(0)
            if not log:
                raise error
            yield

        with pytest.raises(Special) as caught, sync(broken)():
            log.append("body")

        assert log == []
        assert caught.value is error
        assert executor.tasks == set()

    def test_exception_in_exit(self, sync: ToSync) -> None:
        """What exit raises is raised by the `with` statement."""

        @asynccontextmanager
        async def broken() -> AsyncGenerator[None, None]:
            yield
            raise Special

        with pytest.raises(Special), sync(broken)():
            pass

    def test_stop_async_iteration_in_exit(self, sync: ToSync) -> None:
        """Also if it is what ends an async iterator."""

        class Draining:
            async def __aenter__(self) -> None:
                pass

            async def __aexit__(self, *_: object) -> None:
                await anext(count(0))

        with pytest.raises(StopAsyncIteration), sync(Draining)():
            pass

    def test_nested_and_entered_again(self, sync: ToSync) -> None:
        """One manager may be entered while it is, each time in a task of its own."""
        log: list[object] = []
        manager = sync(Logged)(log)

        with manager:
            with manager:
                pass
            with manager:
                pass

        outer, inner, inner_end, *_ = log
        assert inner is inner_end
        assert inner is not outer
        assert log[-4] is outer

    def test_under_max_workers(self, make_executor: MakeExecutor) -> None:
        """Between enter and exit it takes up no place."""
        executor = make_executor(max_workers=1)

        async def work() -> int:
            return 1

        with to_sync(executor=executor)(logged)([]):
            assert executor.submit(work).result(LIMIT) == 1

    def test_task_group(self, sync: ToSync) -> None:
        """A task group inside runs its tasks while the body runs, and waits for them at the end."""
        log: list[object] = []

        @asynccontextmanager
        async def background() -> AsyncGenerator[None, None]:
            async def work() -> None:
                await gate.wait()
                log.append("done")

            async with asyncio.TaskGroup() as group:
                group.create_task(work())
                yield

        with Gate() as gate, sync(background)():
            gate.arrived()
            gate.open()

        assert log == ["done"]

    @pytest.mark.parametrize("error", [None, Special("of the body")])
    def test_task_group_that_fails(
        self, executor: AsyncExecutor, sync: ToSync, error: Special | None
    ) -> None:
        """One that fails cancels its tasks at once, and the exit reports all that went wrong."""
        log: list[object] = []
        over = threading.Event()

        @asynccontextmanager
        async def background() -> AsyncGenerator[None, None]:
            async def break_down() -> None:
                await gate.wait()
                raise OSError

            async def wait() -> None:
                try:
                    await asyncio.sleep(LIMIT)
                finally:
                    log.append("cancelled")

            try:
                async with asyncio.TaskGroup() as group:
                    group.create_task(break_down())
                    group.create_task(wait())
                    yield
            finally:
                over.set()

        with pytest.raises(ExceptionGroup) as caught, Gate() as gate, sync(background)():
            gate.arrived()
            gate.open()
            assert over.wait(LIMIT)
            if error:
                raise error

        assert [type(part) for part in caught.value.exceptions] == [OSError]
        assert error is None or caught.value.__context__ is error
        assert log == ["cancelled"]
        assert executor.tasks == set()

    def test_task_group_with_a_body_that_fails(self, sync: ToSync) -> None:
        """An exception of the body cancels the group's tasks."""
        log: list[object] = []

        @asynccontextmanager
        async def background() -> AsyncGenerator[None, None]:
            async def wait() -> None:
                try:
                    await gate.wait()
                finally:
                    log.append("cancelled")

            async with asyncio.TaskGroup() as group:
                group.create_task(wait())
                yield

        with pytest.raises(ExceptionGroup) as caught, Gate() as gate, sync(background)():
            gate.arrived()
            raise Special

        assert [type(part) for part in caught.value.exceptions] == [Special]
        assert log == ["cancelled"]

    def test_timeout(self, sync: ToSync) -> None:
        """`asyncio.timeout` itself works; the body is not stopped, the exit reports."""
        expired = threading.Event()

        @asynccontextmanager
        async def bounded() -> AsyncGenerator[None, None]:
            try:
                yield
            finally:
                expired.set()

        with pytest.raises(TimeoutError), sync(asyncio.timeout)(0.01):
            with sync(bounded)():
                pass
            threading.Event().wait(0.1)

        with sync(asyncio.timeout)(LIMIT):
            pass

    @pytest.mark.one_loop("handles a task in another call")
    def test_cancellation_that_is_suppressed(self, executor: AsyncExecutor, sync: ToSync) -> None:
        """A manager that ends on a cancellation of its own is left once, in silence."""
        log: list[object] = []
        left = threading.Event()

        class Bounded(Logged):
            @override
            async def __aexit__(self, *exc_info: Any) -> bool:  # noqa: PYI036  it hands them on
                await super().__aexit__(*exc_info)
                left.set()
                return True

        async def cancel() -> None:
            task.cancel()

        with sync(Bounded)(log):
            (task,) = executor.tasks
            executor.submit(cancel).result(LIMIT)
            assert left.wait(LIMIT)

        assert log[2] is asyncio.CancelledError
        assert len(log) == 5
        assert executor.tasks == set()

    def test_shutdown(self, executor: AsyncExecutor, sync: ToSync) -> None:
        """A shutdown does not wait for the body: it leaves the manager, which is left once."""
        log: list[object] = []

        with sync(logged)(log):
            executor.shutdown()
            log.append("body")

        assert log == ["enter", asyncio.CancelledError, "exit", "body"]

    @pytest.mark.one_loop("a step on another loop may be done before the wait")
    def test_own_loop(self, executor: AsyncExecutor, sync: ToSync) -> None:
        """On the loop that has to do it, entering and leaving are DeadlockErrors."""
        log: list[object] = []
        manager = sync(logged)(log)

        async def enter() -> None:
            manager.__enter__()

        async def leave() -> None:
            manager.__exit__(None, None, None)

        with pytest.raises(DeadlockError, match="logged"):
            executor.submit(enter).result(LIMIT)
        assert log == []

        manager.__enter__()
        with pytest.raises(DeadlockError, match="logged"):
            executor.submit(leave).result(LIMIT)
        executor.shutdown()
        assert log == ["enter", "exit"]


class TestProcess:
    """The end of the process, its signals and its forks."""

    SCRIPT = """
        import asyncio, os, sys
        from contextlib import asynccontextmanager
        from aiofutures import AsyncExecutor, set_default_executor, to_sync

        @to_sync
        async def items():
            try:
                while True:
                    await asyncio.sleep(0)
                    yield 1
            finally:
                await asyncio.sleep(0)
                print("generator", flush=True)

        @to_sync
        @asynccontextmanager
        async def manager():
            try:
                yield
            finally:
                await asyncio.sleep(0)
                print("manager", flush=True)
        """

    @pytest.mark.parametrize("prepare", ["", "AsyncExecutor(cancel_at_exit=True)"])
    def test_exit(self, prepare: str) -> None:
        """The end of the interpreter runs the `finally` of what is open, and prints nothing."""
        script = f"""{self.SCRIPT}
        if {prepare!r}:
            set_default_executor({prepare or None})
        generator = items()
        next(generator)
        entered = manager()
        entered.__enter__()
        print("end")
        """

        lines = run_python(script).splitlines()

        assert lines[0] == "end"
        assert sorted(lines[1:]) == ["generator", "manager"]

    def test_exit_with_an_error(self) -> None:
        """So does an exception that ends the main module in the middle of a loop."""
        script = f"""{self.SCRIPT}
        def run():
            with manager():
                for _ in items():
                    sys.exit(0)
        run()
        """

        assert sorted(run_python(script).splitlines()) == ["generator", "manager"]

    @pytest.mark.skipif(sys.platform == "win32", reason="needs SIGINT for one process")
    def test_ctrl_c_in_the_body(self) -> None:
        """Ctrl-C in a body runs the exit of the manager and the `finally` of the generator."""
        script = f"""{self.SCRIPT}
        import signal, time
        signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's `&` ignores it
        try:
            with manager():
                for _ in items():
                    print("body", flush=True)
                    while True:  # a signal just before `sleep` would not end that
                        time.sleep(0.01)
        except KeyboardInterrupt:
            print("interrupted", flush=True)
        """
        with subprocess.Popen(
            interpreter(script), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout
            assert process.stdout.readline() == "body\n"

            process.send_signal(signal.SIGINT)
            output, errors = process.communicate(timeout=LIMIT)

        # The traceback holds the generator until the exception was handled.
        assert sorted(output.splitlines()) == ["generator", "interrupted", "manager"]
        assert errors == ""

    @pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
    def test_fork(self) -> None:
        """A forked child leaves the parent's alone, and can use its own."""
        script = f"""{self.SCRIPT}
        from aiofutures import BrokenExecutor

        def child():
            own = items()
            next(own)
            own.close()
            next(later)
            later.close()
            generator.close()
            try:
                next(other)
            except BrokenExecutor as error:
                print(error, flush=True)

        generator, other, later = items(), items(), items()
        next(generator)
        next(other)
        with manager():
            pid = os.fork()
            if not pid:
                child()
                sys.exit(0)
            assert os.waitpid(pid, 0)[1] == 0
            print("child is done", flush=True)
        print(next(generator) + next(other), flush=True)
        generator.close()
        other.close()
        """
        # Python warns of forks of processes with threads: that is what is tried here.
        options = ("-X", "dev", "-W", "error", "-W", "ignore:This process:DeprecationWarning")

        lines = run_python(script, *options).splitlines()

        assert lines == [
            "generator",
            "generator",
            "items belongs to the process that was forked; start it again here",
            "child is done",
            "manager",
            "2",
            "generator",
            "generator",
        ]


class TestErrorNobodyGets:
    """An error of a cleanup for which no caller waits."""

    @staticmethod
    def reports(logged_errors: list[logging.LogRecord]) -> list[str]:
        """Take what was reported, when it is there."""

        def is_reported() -> bool:
            gc.collect()
            return bool(logged_errors)

        until(is_reported)
        errors = [str(record.exc_info[1]) for record in logged_errors if record.exc_info]
        logged_errors.clear()
        return errors

    def test_generator_out_of_time(
        self, executor: AsyncExecutor, logged_errors: list[logging.LogRecord]
    ) -> None:
        """What the cleanup of a generator raises after a time-out is reported once."""

        @to_sync(executor=executor, timeout=0.3)
        async def generate() -> AsyncGenerator[int, None]:
            try:
                await asyncio.sleep(LIMIT)
                yield 1
            finally:
                raise RuntimeError("no cleanup")

        with pytest.raises(TimeoutError):
            list(generate())

        assert self.reports(logged_errors) == ["no cleanup"]

    def test_context_manager_out_of_time(
        self, executor: AsyncExecutor, logged_errors: list[logging.LogRecord]
    ) -> None:
        """So is what a context manager raises that was not entered in time."""

        @to_sync(executor=executor, timeout=0.3)
        @asynccontextmanager
        async def enter() -> AsyncGenerator[int, None]:
            try:
                await asyncio.sleep(LIMIT)
                yield 1
            finally:
                raise RuntimeError("no cleanup")

        with pytest.raises(TimeoutError), enter():
            pass

        assert self.reports(logged_errors) == ["no cleanup"]

    def test_generator_of_an_executor_that_is_shut_down(
        self, make_executor: MakeExecutor, logged_errors: list[logging.LogRecord]
    ) -> None:
        """So is what an open generator raises when the shutdown of its executor ends it."""
        executor = make_executor()

        @to_sync(executor=executor)
        async def generate() -> AsyncGenerator[int, None]:
            try:
                yield 1
            finally:
                raise RuntimeError("no cleanup")

        generator = generate()
        next(generator)
        executor.shutdown()
        del generator

        assert self.reports(logged_errors) == ["no cleanup"]

    def test_error_that_was_raised(self, executor: AsyncExecutor) -> None:
        """What the caller gets is not reported."""

        @to_sync(executor=executor)
        async def generate() -> AsyncGenerator[int, None]:
            yield 1
            raise RuntimeError("told")

        with pytest.raises(RuntimeError, match="told"):
            list(generate())
