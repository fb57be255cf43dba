"""The contract between futures and what runs them, held by a host without an event loop."""

import asyncio
import concurrent.futures
import gc
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from contextvars import ContextVar, copy_context
from typing import Any, ParamSpec, TypeVar

import pytest
from support import LIMIT, Gate, echo, echo_later, fail, fail_later

from aiofutures import (
    AsyncExecutor,
    CancelledError,
    DeadlockError,
    Future,
    first,
    gather,
    in_executor,
    to_sync,
    to_sync_context,
    to_sync_iter,
)
from aiofutures._common.contract import Host, Runnable
from aiofutures._loops.caller import Caller
from aiofutures._sync.call import wait

P = ParamSpec("P")
T = TypeVar("T")


class PoolHost:
    """Runs each call in a thread, with an event loop for that call alone."""

    limit = None
    loop_in_words = "of the pool"

    def __init__(self, local: Host) -> None:
        self.local = local
        self.pool = ThreadPoolExecutor(8)

    def submit(self, future: Runnable) -> None:
        """Run the call of `future`."""
        self.pool.submit(self._run, future)

    def cancel(self, future: Runnable, asked: Callable[[bool], object]) -> None:
        """Cancel the task of a call that runs."""
        task = future._task
        if task is not None:
            task.get_loop().call_soon_threadsafe(lambda: (asked(task.done()), task.cancel()))

    def is_current(self) -> bool:
        """Tell that a wait always ends: each call has a loop of its own."""
        return False

    def report(self, context: dict[str, Any]) -> None:
        """Have the local event loop report an error."""
        self.local.report(context)

    def _run(self, future: Runnable) -> None:
        with asyncio.Runner() as runner:
            call = future.take()
            if call is None:
                return
            fn, args, kwargs, context = call
            try:
                loop = runner.get_loop()
                future._task = loop.create_task(_call(fn, args, kwargs or {}), context=context)
                future.settle(loop.run_until_complete(future._task))
            except asyncio.CancelledError:
                future.settle_cancelled()
            except BaseException as error:
                future.fail(error)


async def _call(fn: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    return await fn(*args, **kwargs)


class PoolExecutor:
    """The executor of a `PoolHost`."""

    def __init__(self, local: AsyncExecutor) -> None:
        self.host = PoolHost(local._loop_thread)

    def submit(
        self, fn: Callable[P, Awaitable[T]], /, *args: P.args, **kwargs: P.kwargs
    ) -> Future[T]:
        """Run `await fn(*args, **kwargs)`."""
        future: Future[T] = Future(self.host, fn, args, kwargs or None, copy_context())
        self.host.submit(future)
        return future


@pytest.fixture
def pool(executor: AsyncExecutor) -> Iterator[PoolExecutor]:
    """An executor without an event loop of its own."""
    pool = PoolExecutor(executor)
    yield pool
    pool.host.pool.shutdown()


def test_result(pool: PoolExecutor) -> None:
    """What calls return and raise arrives."""
    error = OSError("refused")

    futures = [pool.submit(fn, number) for number, fn in enumerate((echo, echo_later))]
    failed = [pool.submit(fn, error) for fn in (fail, fail_later)]

    assert [future.result(LIMIT) for future in futures] == [0, 1]
    assert [future.exception(LIMIT) for future in failed] == [error, error]


def test_words_of_a_deadlock(pool: PoolExecutor, monkeypatch: pytest.MonkeyPatch) -> None:
    """A wait that would never end is refused in the words of the host."""
    monkeypatch.setattr(PoolHost, "is_current", lambda _: True)
    with Gate() as gate:
        future = pool.submit(gate.wait)

        with pytest.raises(DeadlockError, match="it blocks the event loop of the pool; use"):
            future.result(LIMIT)
        with pytest.raises(
            DeadlockError, match=r"gate_of\(\) .* on the event loop of the pool, and"
        ):
            wait(future, Caller(), LIMIT, "gate_of")


def test_context(pool: PoolExecutor) -> None:
    """A call runs in a copy of the context of its caller."""
    variable: ContextVar[int] = ContextVar("variable")
    variable.set(1)

    async def read() -> int:
        return variable.get()

    assert pool.submit(read).result(LIMIT) == 1


def test_cancel(pool: PoolExecutor) -> None:
    """A call that runs is cancelled, and the future is done when its cleanup is."""
    cleaned: list[int] = []
    with Gate() as gate:

        async def work() -> None:
            try:
                await gate.wait()
            finally:
                await asyncio.sleep(0)
                cleaned.append(1)

        future = pool.submit(work)
        gate.arrived()

        assert future.running()
        assert future.cancel()

        with pytest.raises(CancelledError):
            future.result(LIMIT)
    assert cleaned == [1]


def test_cancel_before_the_start(pool: PoolExecutor) -> None:
    """A call that has not started never runs."""
    with Gate() as gate:
        running = [pool.submit(gate.pass_on, number) for number in range(8)]
        gate.arrived(8)
        future = pool.submit(echo, 1)

        assert future.cancel()

        assert future.cancelled()
    assert [each.result(LIMIT) for each in running] == [*range(8)]


@pytest.mark.parametrize("wait", [concurrent.futures.wait, concurrent.futures.as_completed])
def test_waits_of_the_standard_library(pool: PoolExecutor, wait: Callable[..., Any]) -> None:
    """`wait` and `as_completed` take the futures, also beside those of an event loop."""
    futures = [pool.submit(echo_later, 1), pool.submit(echo, 2)]
    futures.append(futures[0].map(abs))

    waited = wait(futures, LIMIT)

    assert {*getattr(waited, "done", waited)} == {*futures}


def test_await(pool: PoolExecutor, executor: AsyncExecutor) -> None:
    """The futures can be awaited, on any event loop."""

    async def add() -> int:
        return await pool.submit(echo, 1) + await pool.submit(echo_later, 2)

    assert asyncio.run(add()) == 3
    assert executor.submit(add).result(LIMIT) == 3


def test_derived(pool: PoolExecutor, executor: AsyncExecutor) -> None:
    """What follows a future runs on the local event loop."""
    local = executor.submit(_thread).result(LIMIT)
    source = pool.submit(echo_later, 1)

    assert source.result(LIMIT) == 1
    assert pool.submit(_thread).result(LIMIT) != local
    assert source.map(lambda _: threading.get_ident()).result(LIMIT) == local
    assert source.then(echo).result(LIMIT) == 1
    assert source.zip(pool.submit(echo, 2)).result(LIMIT) == (1, 2)
    failed = pool.submit(fail, OSError())
    assert failed.recover(OSError, lambda _: 3).result(LIMIT) == 3


async def _thread() -> int:
    return threading.get_ident()


def test_gather_and_first(pool: PoolExecutor) -> None:
    """`gather` and `first` take the futures; `first` cancels the others."""
    with Gate() as gate:
        slow = pool.submit(gate.pass_on, 1)
        gate.arrived()

        assert gather(pool.submit(echo, 1), pool.submit(echo_later, 2)).result(LIMIT) == (1, 2)
        assert first(pool.submit(echo, 2), slow).result(LIMIT) == 2

        with pytest.raises(CancelledError):
            slow.result(LIMIT)


def test_decorators(pool: PoolExecutor) -> None:
    """Decorated functions run there."""
    assert to_sync(executor=pool)(echo_later)(1) == 1
    assert in_executor(executor=pool)(echo_later)(2).result(LIMIT) == 2
    with pytest.raises(TimeoutError, match="sleep"):
        to_sync(executor=pool, timeout=0.01)(asyncio.sleep)(LIMIT)


def test_generator(pool: PoolExecutor) -> None:
    """A generator, which needs one event loop for its steps, is refused at the first item."""

    @to_sync(executor=pool)
    async def numbers() -> AsyncIterator[int]:
        yield 1

    items = numbers()
    with pytest.raises(TypeError, match=r"numbers\(\) .*no event loop in this process"):
        next(items)


def test_context_manager(pool: PoolExecutor) -> None:
    """A context manager is refused on entering."""

    @to_sync(executor=pool)
    @asynccontextmanager
    async def connection() -> AsyncIterator[int]:
        yield 1

    manager = connection()
    with pytest.raises(TypeError, match=r"connection\(\) .*no event loop in this process"):
        manager.__enter__()


@pytest.mark.parametrize("decorator", [to_sync_context, to_sync_iter])
def test_openers(pool: PoolExecutor, decorator: Callable[..., Any]) -> None:
    """Both are refused, and the function not called, where something is opened in steps."""
    calls: list[int] = []

    @asynccontextmanager
    async def connection() -> AsyncIterator[int]:
        yield 1

    def connect() -> AbstractAsyncContextManager[int]:
        calls.append(1)
        return connection()

    opened = decorator(executor=pool)(connect)()
    with pytest.raises(TypeError, match=r"connect\(\) .*no event loop in this process"):
        next(opened) if decorator is to_sync_iter else opened.__enter__()
    assert calls == []


def test_unfetched(pool: PoolExecutor, logged_errors: list[Any]) -> None:
    """An exception that nobody fetches is reported on the local event loop."""
    _ = pool.submit(fail, OSError("lost"))
    pool.host.pool.shutdown()
    del _
    gc.collect()  # the traceback leads to the frames of the pool, and they to the future

    assert "never retrieved" in logged_errors[0].getMessage()
    logged_errors.clear()
