"""Ctrl-C at every point of every call: nothing hangs afterwards, and nothing is left pending."""

import asyncio
import concurrent.futures
import dis
import gc
import logging
import sys
import time
import warnings
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
from contextlib import AbstractContextManager, asynccontextmanager
from contextvars import Context
from functools import cache, partial
from itertools import pairwise
from pathlib import Path
from types import CodeType, FrameType
from typing import Any, Final

import pytest
from support import LIMIT, Gate, MakeExecutor, echo, echo_later, in_thread, until

import aiofutures
from aiofutures import AsyncExecutor, Future, InvalidStateError, in_caller_thread, to_sync
from aiofutures._sync.views import ContextManager

# Each walks through hundreds of points. One that hangs fails by itself, after `LIMIT`.
pytestmark = pytest.mark.timeout(180)

_FILES: Final = (str(Path(aiofutures.__file__).parent), concurrent.futures._base.__file__)
_PAUSE: Final = 0.005


# Before Python 3.14 no profiler hears of the calls of `__enter__`; in 3.14 handlers run after them.
_PROFILES_PROTECTED_CALLS: Final[bool] = sys.version_info >= (3, 15)


class Interruption(KeyboardInterrupt):
    """What the signal handler raises."""


def interrupt(point: int, fn: Callable[[], object]) -> bool:
    """Call `fn` and raise in it at its n-th point; False when it has fewer points.

    The interpreter runs signal handlers at the begin of a function and after a call of one in C,
    in Python 3.14 even after that of the `__enter__` of a `with` statement.
    """
    seen = 0

    def profile(frame: FrameType, event: str, _: Any) -> None:
        nonlocal seen
        caller: FrameType | None = frame
        while caller is not None and caller.f_code.co_filename.startswith(_FILES):
            if caller.f_code.co_name == "__del__":  # Python drops what is raised there
                return
            caller = caller.f_back
        # In no Python does a `with` statement leave what it entered if this begins with an error.
        if event == "call" and frame.f_code is ContextManager.__exit__.__code__:
            return
        if event in {"call", "c_return"} and frame.f_code.co_filename.startswith(_FILES):
            if event == "c_return" and frame.f_lasti in _protected_calls(frame.f_code):
                return
            seen += 1
            if seen == point:
                raise Interruption

    # Other tests have left variables in the current context, each of which has its points.
    context = Context()
    sys.setprofile(profile)
    try:
        context.run(fn)
    except (Interruption, RuntimeError, concurrent.futures.CancelledError):
        pass  # RuntimeError: of a lock of the standard library that was interrupted
    finally:
        sys.setprofile(None)
    return seen >= point


@cache
def _protected_calls(code: CodeType) -> frozenset[int]:
    """Return where `code` calls an `__enter__`, if no signal handler runs before the block."""
    instructions = pairwise(dis.get_instructions(code)) if _PROFILES_PROTECTED_CALLS else ()
    return frozenset(call.offset for one, call in instructions if one.argrepr == "__enter__")


Futures = list[Future[Any]]


def submit_first(executor: AsyncExecutor, futures: Futures) -> Callable[[], object]:
    return lambda: futures.append(executor.submit(echo_later, 1))


def submit(executor: AsyncExecutor, futures: Futures) -> Callable[[], object]:
    executor.submit(echo, 1).result(LIMIT)
    return lambda: futures.append(executor.submit(echo_later, 1))


def cancel(executor: AsyncExecutor, futures: Futures) -> Callable[[], object]:
    futures.append(executor.submit(asyncio.sleep, _PAUSE))
    return futures[0].cancel


def result(executor: AsyncExecutor, futures: Futures) -> Callable[[], object]:
    futures.append(executor.submit(asyncio.sleep, _PAUSE))
    return futures[0].result


def wait(executor: AsyncExecutor, futures: Futures) -> Callable[[], object]:
    futures.extend(executor.submit(asyncio.sleep, _PAUSE) for _ in range(2))
    return lambda: concurrent.futures.wait(futures)


def as_completed(executor: AsyncExecutor, futures: Futures) -> Callable[[], object]:
    futures.extend(executor.submit(asyncio.sleep, _PAUSE) for _ in range(2))
    return lambda: list(concurrent.futures.as_completed(futures))


def shut_down(executor: AsyncExecutor, futures: Futures) -> Callable[[], object]:
    futures.append(executor.submit(asyncio.sleep, _PAUSE))
    return executor.shutdown


def cancel_and_shut_down(executor: AsyncExecutor, futures: Futures) -> Callable[[], object]:
    futures.append(executor.submit(asyncio.sleep, _PAUSE))
    return lambda: executor.shutdown(cancel_futures=True)


def leave(executor: AsyncExecutor, futures: Futures) -> Callable[[], object]:
    futures.append(executor.submit(asyncio.sleep, _PAUSE))
    return lambda: executor.__exit__(None, None, None)


def call_sync(executor: AsyncExecutor, futures: Futures) -> Callable[[], object]:
    function = to_sync(executor=executor)(echo_later)
    return lambda: function(1)


def run_in_worker(executor: AsyncExecutor, futures: Futures) -> Callable[[], object]:
    async def run() -> None:
        await executor.sync_to_async(time.sleep, _PAUSE)

    executor.submit(echo, 1).result(LIMIT)
    return lambda: asyncio.run(run())


def iterate(executor: AsyncExecutor, futures: Futures) -> Callable[[], object]:
    @to_sync(executor=executor)
    async def generate() -> AsyncGenerator[int, None]:
        yield 1
        yield 2

    return lambda: list(generate())


def use_map(executor: AsyncExecutor, futures: Futures) -> Callable[[], object]:
    def run() -> None:
        results = executor.map(echo_later, range(3))
        futures.extend(results.futures)
        list(results)

    return run


def use_map_as_completed(executor: AsyncExecutor, futures: Futures) -> Callable[[], object]:
    def run() -> None:
        results = executor.map(echo_later, range(3))
        futures.extend(results.futures)
        list(results.as_completed())

    return run


@pytest.mark.parametrize(
    "action",
    [
        submit_first,
        submit,
        cancel,
        result,
        wait,
        as_completed,
        shut_down,
        cancel_and_shut_down,
        leave,
        call_sync,
        run_in_worker,
        iterate,
        use_map,
        use_map_as_completed,
    ],
)
@pytest.mark.parametrize("loop_factory", ["asyncio", "uvloop"], indirect=True)
def test_interruption_at_every_point(
    make_executor: MakeExecutor,
    action: Callable[[AsyncExecutor, Futures], Callable[[], object]],
) -> None:
    """Wherever a signal handler raises: others can submit, what was accepted ends, and so do all
    waits and the shutdown.
    """
    point = 0
    reached = True
    while reached:
        point += 1
        executor = make_executor()
        futures: Futures = []
        try:
            reached = interrupt(point, action(executor, futures))

            try:
                assert in_thread(executor.submit, echo_later, 1).result(LIMIT).result(LIMIT) == 1
            except InvalidStateError:
                assert action in {shut_down, cancel_and_shut_down, leave}
            in_thread(executor.shutdown).result(LIMIT)
            waited = in_thread(concurrent.futures.wait, futures, LIMIT).result(LIMIT)
            assert not waited.not_done
            for future in futures:
                in_thread(_outcome, future).result(LIMIT)
        except TimeoutError:
            pytest.fail(f"hangs after an interruption at point {point} of {action.__name__}")
    assert point > 1


@pytest.mark.parametrize("what", ["one", "all"])
def test_interruption_of_a_cancellation_in_a_block(make_executor: MakeExecutor, what: str) -> None:
    """A call that a signal handler kept from being cancelled is cancelled by the `with` block."""
    point = 0
    reached = True
    while reached:
        point += 1
        executor = make_executor()
        future = executor.submit(asyncio.sleep, 10 * LIMIT)
        derived = future.map(str)
        until(lambda executor=executor: executor.statistics().pending == 0)  # type: ignore[misc]
        cancel_it = future.cancel if what == "one" else executor.cancel_futures

        reached = interrupt(point, cancel_it)

        leaving = in_thread(executor.__exit__, Interruption, Interruption(), None)
        try:
            leaving.result(LIMIT)
        except TimeoutError:
            pytest.fail(f"hangs after an interruption at point {point}")
        assert future.cancelled()
        assert derived.cancelled()
    assert point > 1


def _outcome(future: Future[Any]) -> None:
    try:
        future.exception(LIMIT)
    except concurrent.futures.CancelledError:
        assert future.cancelled()


@asynccontextmanager
async def connect(log: list[str]) -> AsyncGenerator[int, None]:
    """Write down that it is opened and closed."""
    await asyncio.sleep(0)
    log.append("open")
    try:
        yield 1
    finally:
        await asyncio.sleep(0)
        log.append("close")


@pytest.mark.parametrize("action", ["open", "reopen", "close"])
@pytest.mark.parametrize("loop_factory", ["asyncio", "uvloop"], indirect=True)
def test_interruption_of_a_shared_client(make_executor: MakeExecutor, action: str) -> None:
    """Wherever a signal handler raises: others get the client, and all that is opened is closed."""
    point = 0
    reached = True
    while reached:
        point += 1
        executor = make_executor()
        log: list[str] = []
        client = executor.shared(connect, log)
        if action != "open":
            client()
        if action == "reopen":
            (task,) = executor.tasks
            executor._loop_thread.call_soon(task.cancel)
            until(client._current.closed.done)
        try:
            reached = interrupt(point, client.close if action == "close" else client)

            assert in_thread(client).result(LIMIT) == 1
            in_thread(client.close).result(LIMIT)
            in_thread(executor.shutdown).result(LIMIT)
        except TimeoutError:
            pytest.fail(f"hangs after an interruption at point {point} of {action}")
        assert log == ["open", "close"] * (len(log) // 2), point
    assert point > 1


@pytest.mark.parametrize("loop_factory", ["asyncio", "uvloop"], indirect=True)
def test_interruption_of_a_with_block(make_executor: MakeExecutor) -> None:
    """Wherever a signal handler raises in entering or leaving: what is entered is left."""
    log: list[str] = []

    @asynccontextmanager
    async def enter() -> AsyncGenerator[int, None]:
        log.append("enter")
        try:
            yield 1
        finally:
            log.append("leave")

    point = 0
    reached = True
    while reached:
        point += 1
        executor = make_executor()
        log.clear()
        reached = interrupt(point, partial(_pass, to_sync(executor=executor)(enter)))

        try:
            until(lambda: not executor.tasks)
        except AssertionError:
            pytest.fail(f"is not left after an interruption at point {point}")
        assert log == ["enter", "leave"] * (len(log) // 2), point
        in_thread(executor.shutdown).result(LIMIT)
    assert point > 1


def _exhaust(generate: Callable[[], Iterable[int]]) -> None:
    for _ in generate():
        pass


def _pass(enter: Callable[[], AbstractContextManager[int]]) -> None:
    with enter():
        pass


@pytest.mark.parametrize("kind", ["call", "generator", "block"])
@pytest.mark.parametrize("loop_factory", ["asyncio", "uvloop"], indirect=True)
def test_interruption_of_the_thread_that_runs_functions(
    make_executor: MakeExecutor, kind: str, logged_errors: list[logging.LogRecord]
) -> None:
    """Wherever a signal handler raises: no task waits for ever for a function in the thread."""
    background: set[asyncio.Task[None]] = set()

    async def run() -> None:
        await in_caller_thread(int)
        await in_caller_thread(to_sync(executor=executor)(echo), 1)

    async def call() -> None:
        background.update(asyncio.create_task(run()) for _ in range(2))
        async with asyncio.TaskGroup() as group:
            group.create_task(run())
            await run()

    async def generate() -> AsyncGenerator[int, None]:
        await call()
        yield 1
        await in_caller_thread(int)

    @asynccontextmanager
    async def manage() -> AsyncGenerator[int, None]:
        await run()
        yield 1
        await run()

    point = 0
    reached = True
    while reached:
        point += 1
        executor = make_executor()
        decorate = to_sync(executor=executor)
        actions: dict[str, Callable[[], object]] = {
            "call": decorate(call),
            "generator": partial(_exhaust, decorate(generate)),
            "block": partial(_pass, decorate(manage)),
        }
        with warnings.catch_warnings():
            # Of a coroutine that was made and not awaited.
            warnings.simplefilter("ignore", RuntimeWarning)
            reached = interrupt(point, actions[kind])
        try:
            until(lambda: not executor.tasks)
            in_thread(executor.shutdown).result(LIMIT)
        except (AssertionError, TimeoutError):
            pytest.fail(f"hangs after an interruption at point {point}")
        for task in background:
            if not task.cancelled():
                task.exception()
        background.clear()
        # What leaving the block raises for the thread that does not wait any more.
        gc.collect()
        reported = [record for record in logged_errors if "never retrieved" in record.getMessage()]
        assert kind == "block" or not reported
        for record in reported:
            logged_errors.remove(record)
    assert point > 1


_SLOTS: Final = concurrent.futures.ThreadPoolExecutor()._max_workers


@pytest.mark.parametrize("started", [False, True])
@pytest.mark.parametrize("loop_factory", ["asyncio", "uvloop"], indirect=True)
def test_interruption_loses_no_worker(make_executor: MakeExecutor, *, started: bool) -> None:
    """Wherever a signal handler raises in `sync_to_async`: as many calls as before run at once."""

    async def start_call(executor: AsyncExecutor, point: int) -> bool:
        if started:
            await executor.sync_to_async(int)
        return interrupt(point, lambda: executor.sync_to_async(int))

    async def use_all(executor: AsyncExecutor) -> None:
        with Gate() as gate:
            calls = [executor.sync_to_async(gate.block) for _ in range(_SLOTS)]
            gate.arrived(_SLOTS)
        await asyncio.gather(*calls)

    point = 0
    reached = True
    while reached:
        point += 1
        executor = make_executor()
        reached = asyncio.run(start_call(executor, point))

        asyncio.run(use_all(executor))
        in_thread(executor.shutdown).result(LIMIT)
    assert point > 1


@pytest.mark.parametrize("loop_factory", ["asyncio", "uvloop"], indirect=True)
def test_interrupted_call_does_not_run(make_executor: MakeExecutor) -> None:
    """A call of `sync_to_async` that raises does not run later."""
    executor = make_executor()

    async def start_call(point: int, ran: list[int]) -> bool:
        futures: list[Awaitable[None]] = []
        with Gate() as gate:
            calls = [executor.sync_to_async(gate.block) for _ in range(_SLOTS)]
            gate.arrived(_SLOTS)
            start = lambda: futures.append(executor.sync_to_async(ran.append, 1))  # noqa: E731
            reached = interrupt(point, start)
        await asyncio.gather(*calls, *futures)
        await executor.sync_to_async(int)
        assert ran == [1] * len(futures)
        return reached

    point = 1
    while asyncio.run(start_call(point, [])):
        point += 1
    assert point > 1
