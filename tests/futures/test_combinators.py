"""Futures that are made of futures: `map`, `then`, `recover`, `zip`, `gather` and `first`."""

import asyncio
import concurrent.futures
import gc
import logging
import threading
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from typing import Any, NoReturn

import pytest
from support import (
    LIMIT,
    Gate,
    MakeExecutor,
    echo,
    echo_later,
    fail,
    fail_later,
    on_each_loop,
    until,
)

from aiofutures import (
    AsyncExecutor,
    CancelledError,
    Future,
    InvalidStateError,
    first,
    gather,
)

#: Each way to derive a future of another one's result, as a pipeline that changes nothing.
DERIVATIONS: dict[str, Callable[[Future[int]], Future[Any]]] = {
    "map": lambda source: source.map(lambda value: value),
    "then": lambda source: source.then(echo_later),
    "recover": lambda source: source.recover(ZeroDivisionError, str),
    "zip": lambda source: source.zip(source).map(lambda pair: pair[0]),
    "gather": lambda source: gather(source).map(lambda results: results[0]),
    "first": lambda source: first(source),
}
derivations = pytest.mark.parametrize("derive", DERIVATIONS.values(), ids=DERIVATIONS)


class Special(Exception):
    """An exception of these tests."""


async def nothing() -> None:
    """Do nothing."""


async def echo_nothing(_: None) -> None:
    """Do nothing, with the result of that."""


async def hang(cancelled: threading.Event) -> None:
    """Wait to be cancelled, and tell."""
    try:
        await asyncio.sleep(LIMIT)
    except asyncio.CancelledError:
        await asyncio.sleep(0)
        cancelled.set()
        raise


def occupy(executor: AsyncExecutor, gate: Gate) -> Future[None]:
    """Take the only place of `executor` until the gate is opened."""
    running = executor.submit(gate.wait)
    gate.arrived()
    return running


class TestEach:
    """What holds for all derived futures."""

    @derivations
    @pytest.mark.parametrize("fn", [echo, echo_later])
    def test_result(
        self,
        executor: AsyncExecutor,
        derive: Callable[[Future[int]], Future[Any]],
        fn: Callable[[int], Awaitable[int]],
    ) -> None:
        """A result comes out at the other end, be it there already or not."""
        source = executor.submit(fn, 1)

        assert derive(source).result(LIMIT) == 1
        assert derive(source).result(LIMIT) == 1

    @derivations
    @pytest.mark.parametrize("fn", [fail, fail_later])
    def test_exception(
        self,
        executor: AsyncExecutor,
        derive: Callable[[Future[int]], Future[Any]],
        fn: Callable[[BaseException], Awaitable[NoReturn]],
    ) -> None:
        """An exception passes through."""
        error = Special()
        source: Future[int] = executor.submit(fn, error)

        assert derive(source).exception(LIMIT) is error

    @derivations
    @pytest.mark.parametrize("error", [SystemExit(1), KeyboardInterrupt()])
    def test_base_exception(
        self,
        executor: AsyncExecutor,
        derive: Callable[[Future[int]], Future[Any]],
        error: BaseException,
        logged_errors: list[logging.LogRecord],
    ) -> None:
        """So does SystemExit and its like, and the loop goes on."""
        source: Future[int] = executor.submit(fail_later, error)

        assert derive(source).exception(LIMIT) is error
        assert executor.submit(echo_later, 1).result(LIMIT) == 1
        executor.shutdown()
        logged_errors.clear()  # asyncio itself reports it of tasks that are eager

    @derivations
    def test_cancelled_source(
        self, executor: AsyncExecutor, derive: Callable[[Future[int]], Future[Any]]
    ) -> None:
        """When the source is cancelled the derived future is."""
        with Gate() as gate:
            source = executor.submit(gate.pass_on, 1)
            derived = derive(source)
            gate.arrived()

            source.cancel()

            with pytest.raises(CancelledError):
                derived.result(LIMIT)
        assert derived.cancelled()

    @derivations
    def test_cancel(
        self, executor: AsyncExecutor, derive: Callable[[Future[int]], Future[Any]]
    ) -> None:
        """Cancelling the derived future cancels its source, and waits for its cleanup."""
        cancelled = threading.Event()

        async def work() -> int:
            await hang(cancelled)
            return 1

        source = executor.submit(work)
        derived = derive(source)

        assert derived.cancel()

        with pytest.raises(CancelledError):
            derived.result(LIMIT)
        with pytest.raises(CancelledError):
            source.result(LIMIT)

    @pytest.mark.one_loop("blocks one loop")
    @derivations
    def test_cancel_before_the_start(
        self, make_executor: MakeExecutor, derive: Callable[[Future[int]], Future[Any]]
    ) -> None:
        """Cancelling a derived future that has not started cancels its source at once."""
        executor = make_executor()
        with Gate() as gate:

            async def block_loop() -> None:
                gate.block()

            blocking = executor.submit(block_loop)
            gate.arrived()
            source = executor.submit(echo, 1)
            derived = derive(source)

            assert derived.cancel()

            assert source.cancelled()
            assert derived.cancelled()
        blocking.result(LIMIT)

    @derivations
    def test_cancel_before_the_start_with_a_running_source(
        self, make_executor: MakeExecutor, derive: Callable[[Future[int]], Future[Any]]
    ) -> None:
        """So it does where the source runs already."""
        executor = make_executor(max_workers=1)
        with Gate() as gate:
            source = executor.submit(gate.pass_on, 1)
            gate.arrived()
            derived = derive(source)

            assert derived.cancel()

            with pytest.raises(CancelledError):
                source.result(LIMIT)

    @derivations
    def test_refused_after_shutdown(
        self, executor: AsyncExecutor, derive: Callable[[Future[int]], Future[Any]]
    ) -> None:
        """After a shutdown nothing more can be derived."""
        source = executor.submit(echo, 1)
        executor.shutdown()

        with pytest.raises(InvalidStateError, match="after shutdown"):
            _ = derive(source)

    @derivations
    def test_without_an_executor(self, derive: Callable[[Future[int]], Future[Any]]) -> None:
        """A future that no executor has made has nowhere to run what comes after it."""
        source: Future[int] = Future()

        with pytest.raises(InvalidStateError, match="belongs to no executor"):
            _ = derive(source)

    @derivations
    def test_under_max_workers(
        self, make_executor: MakeExecutor, derive: Callable[[Future[int]], Future[Any]]
    ) -> None:
        """One place is enough for a pipeline."""
        executor = make_executor(max_workers=1)

        assert derive(derive(executor.submit(echo_later, 1))).result(LIMIT) == 1

    @derivations
    def test_unfetched_error(
        self,
        executor: AsyncExecutor,
        derive: Callable[[Future[int]], Future[Any]],
        logged_errors: list[logging.LogRecord],
    ) -> None:
        """An exception that nobody fetches is reported once, not once for each future."""
        source: Future[int] = executor.submit(fail_later, Special("lost"))
        derived = derive(source)
        executor.shutdown()
        assert derived.done()

        del source, derived
        gc.collect()

        assert [record.getMessage() for record in logged_errors] == [
            "Future exception was never retrieved"
        ]
        logged_errors.clear()

    @derivations
    def test_context(
        self, executor: AsyncExecutor, derive: Callable[[Future[int]], Future[Any]]
    ) -> None:
        """What is derived runs in the context of the one who derives."""
        variable = ContextVar("variable", default=0)
        source = derive(executor.submit(echo_later, 1))
        variable.set(5)

        assert source.map(lambda _: variable.get()).result(LIMIT) == 5


class TestMap:
    """`map`."""

    def test_on_the_loop_thread(self, executor: AsyncExecutor) -> None:
        """The function runs on the loop thread, also when the source is done."""
        source = executor.submit(echo, 1)
        source.result(LIMIT)

        name = source.map(lambda _: threading.current_thread().name).result(LIMIT)

        assert name.startswith("AsyncExecutor")

    @pytest.mark.parametrize("error", [Special(), SystemExit(1)])
    def test_function_that_raises(self, executor: AsyncExecutor, error: BaseException) -> None:
        """What the function raises is the outcome; the loop goes on."""

        def broken(_: int) -> int:
            raise error

        assert executor.submit(echo, 1).map(broken).exception(LIMIT) is error
        assert executor.submit(echo, 1).result(LIMIT) == 1


class TestThen:
    """`then`."""

    def test_awaitable(self, executor: AsyncExecutor) -> None:
        """The function may return any awaitable, such as a future."""
        derived = executor.submit(echo, 1).then(lambda value: executor.submit(echo_later, value))

        assert derived.result(LIMIT) == 1

    def test_function_that_raises(self, executor: AsyncExecutor) -> None:
        """What the async function raises is the outcome."""
        error = Special()

        assert executor.submit(echo, error).then(fail_later).exception(LIMIT) is error

    def test_cancel_in_the_second_half(self, executor: AsyncExecutor) -> None:
        """When the source is done, cancelling cancels what came after it."""
        with Gate() as gate:
            source = executor.submit(echo, 1)
            derived = source.then(gate.pass_on)
            gate.arrived()

            derived.cancel()

            with pytest.raises(CancelledError):
                derived.result(LIMIT)
        assert source.result() == 1

    # The chains are long: one kind of event loop is enough for them.

    @pytest.mark.timeout(300)
    def test_long_chain(self) -> None:
        """A chain may have 100,000 links: there is no recursion."""

        async def add(value: int) -> int:
            return value + 1

        with AsyncExecutor() as executor, Gate() as gate:
            future = executor.submit(gate.pass_on, 0)
            for _ in range(100_000):
                future = future.then(add)
            gate.open()

            assert future.result(20 * LIMIT) == 100_000

    @pytest.mark.parametrize("max_workers", [None, 1])
    @pytest.mark.timeout(300)
    def test_long_chain_cancelled(self, max_workers: int | None) -> None:
        """Cancelling its last link cancels all, whether they have started or not."""
        with AsyncExecutor(max_workers=max_workers) as executor:
            future = source = executor.submit(hang, threading.Event())
            for _ in range(20_000):
                future = future.then(echo_nothing)

            assert future.cancel()

            for link in (source, future):
                with pytest.raises(CancelledError):
                    link.result(6 * LIMIT)

    def test_long_chain_dropped(self) -> None:
        """Dropping one that never started is harmless."""
        with AsyncExecutor(max_workers=1) as executor, Gate() as gate:
            occupying = occupy(executor, gate)
            future = executor.submit(echo, 0)
            for _ in range(20_000):
                future = future.then(echo)
            executor.cancel_futures()

            del future

            with pytest.raises(CancelledError):
                occupying.result(LIMIT)


class TestRecover:
    """`recover`."""

    @pytest.mark.parametrize("kind", [OSError, (ValueError, OSError), BaseException])
    def test_that_exception(
        self, executor: AsyncExecutor, kind: type[BaseException] | tuple[type[BaseException], ...]
    ) -> None:
        """The function turns an exception of that type into a result."""
        source: Future[int] = executor.submit(fail_later, OSError("lost"))

        assert source.recover(kind, str).result(LIMIT) == "lost"

    def test_another_exception(self, executor: AsyncExecutor) -> None:
        """Another one passes."""
        source: Future[int] = executor.submit(fail_later, Special())

        assert isinstance(source.recover(OSError, str).exception(LIMIT), Special)

    def test_cancelled_source(self, executor: AsyncExecutor) -> None:
        """The cancellation of the source is what `result` raises for it."""
        source: Future[int] = executor.submit(asyncio.sleep, LIMIT, 0)
        recovered = source.recover(CancelledError, lambda error: type(error).__name__)
        passed = source.recover(OSError, str)

        source.cancel()

        assert recovered.result(LIMIT) == "CancelledError"
        with pytest.raises(CancelledError):
            passed.result(LIMIT)

    def test_own_cancellation(self, executor: AsyncExecutor) -> None:
        """Its own cancellation is not recovered from: it cancels the source and ends."""
        source: Future[int] = executor.submit(asyncio.sleep, LIMIT, 0)
        recovered = source.recover(CancelledError, str)
        until(recovered.running)

        assert recovered.cancel()

        for future in (recovered, source):
            with pytest.raises(CancelledError):
                future.result(LIMIT)

    def test_function_that_raises(self, executor: AsyncExecutor) -> None:
        """What the function raises is the outcome, with the exception as its context."""

        def broken(error: OSError) -> int:
            raise Special

        error = OSError()
        source: Future[int] = executor.submit(fail_later, error)

        outcome = source.recover(OSError, broken).exception(LIMIT)

        assert isinstance(outcome, Special)
        assert outcome.__context__ is error


class TestZip:
    """`zip`."""

    def test_both(self, executor: AsyncExecutor, make_executor: MakeExecutor) -> None:
        """The result is both results, also where the other is of another executor."""
        other = make_executor().submit(echo_later, "b")

        assert executor.submit(echo_later, 1).zip(other).result(LIMIT) == (1, "b")

    @pytest.mark.parametrize("swap", [False, True])
    def test_one_fails(self, executor: AsyncExecutor, swap: bool) -> None:
        """It fails with the first exception, at once; the other one goes on."""
        with Gate() as gate:
            broken: Future[int] = executor.submit(fail_later, Special())
            waiting = executor.submit(gate.pass_on, 1)
            both = waiting.zip(broken) if swap else broken.zip(waiting)

            with pytest.raises(Special):
                both.result(LIMIT)
            assert not waiting.done()
        assert waiting.result(LIMIT) == 1

    def test_cancel(self, executor: AsyncExecutor) -> None:
        """Cancelling it cancels both."""
        events = [threading.Event(), threading.Event()]
        left, right = (executor.submit(hang, event) for event in events)
        both = left.zip(right)
        executor.submit(echo, 1).result(LIMIT)  # all have started

        both.cancel()

        with pytest.raises(CancelledError):
            both.result(LIMIT)
        for source in (left, right):
            with pytest.raises(CancelledError):
                source.result(LIMIT)


class TestGather:
    """`gather`."""

    def test_results(self, default_executor: AsyncExecutor) -> None:
        """It has the results of futures, coroutines and whatever can be awaited, in order."""
        future = default_executor.submit(echo_later, 1)

        gathered = gather(future, echo_later("b"), future.map(float))

        assert gathered.result(LIMIT) == (1, "b", 1.0)

    def test_nothing(self, default_executor: AsyncExecutor) -> None:
        """Of nothing it has nothing."""
        assert gather().result(LIMIT) == ()

    @pytest.mark.one_loop("says where all calls run")
    def test_runs_where_the_first_future_does(
        self, executor: AsyncExecutor, default_executor: AsyncExecutor, make_executor: MakeExecutor
    ) -> None:
        """It runs on the executor of the first future, without one on the default executor."""

        async def loop() -> object:
            return asyncio.get_running_loop()

        other = make_executor()
        here = default_executor.submit(loop).result(LIMIT)
        there = other.submit(loop).result(LIMIT)

        assert gather(loop(), other.submit(echo, 1), default_executor.submit(echo, 1)).result(
            LIMIT
        ) == (there, 1, 1)
        assert gather(loop()).result(LIMIT) == (here,)

    def test_fails_with_the_first_error(self, executor: AsyncExecutor) -> None:
        """It fails as soon as one part fails; the others go on, and may fail in silence."""
        with Gate() as gate:
            waiting = executor.submit(gate.wait)
            gathered = gather(
                waiting, executor.submit(fail_later, Special("first")), waiting.then(broken)
            )

            with pytest.raises(Special, match="first"):
                gathered.result(LIMIT)
            assert not waiting.done()
        waiting.result(LIMIT)

    def test_cancel(self, default_executor: AsyncExecutor) -> None:
        """Cancelling it cancels all parts, and waits for their cleanup."""
        events = [threading.Event() for _ in range(3)]
        future = default_executor.submit(hang, events[0])
        gathered = gather(future, hang(events[1]), hang(events[2]))
        on_each_loop(default_executor, echo_later, 1)  # all have started

        assert gathered.cancel()

        with pytest.raises(CancelledError):
            gathered.result(LIMIT)
        assert all(event.is_set() for event in events)
        assert future.cancelled()


async def broken(_: object) -> NoReturn:
    """Fail."""
    raise Special("second")


class TestFirst:
    """`first`."""

    def test_result(self, default_executor: AsyncExecutor) -> None:
        """It has the result of whichever is done first; the others are cancelled."""
        cancelled = threading.Event()
        slow = default_executor.submit(hang, threading.Event())

        winner = first(hang(cancelled), slow, echo_later("fast"))

        assert winner.result(LIMIT) == "fast"
        assert cancelled.wait(LIMIT)
        with pytest.raises(CancelledError):
            slow.result(LIMIT)

    def test_exception(self, default_executor: AsyncExecutor) -> None:
        """It may be an exception."""
        cancelled = threading.Event()

        winner = first(hang(cancelled), fail_later(Special()))

        with pytest.raises(Special):
            winner.result(LIMIT)
        assert cancelled.wait(LIMIT)

    def test_cancellation(self, executor: AsyncExecutor) -> None:
        """It may be a cancellation."""
        with Gate() as gate:
            loser = executor.submit(gate.wait)
            winner = executor.submit(gate.wait)
            either = first(loser, winner)
            gate.arrived(2)

            winner.cancel()

            with pytest.raises(CancelledError):
                either.result(LIMIT)
            with pytest.raises(CancelledError):
                loser.result(LIMIT)

    def test_several_at_once(self, default_executor: AsyncExecutor) -> None:
        """Of several that are done, it is the first in order; no error of another is heard of."""
        done = default_executor.submit(echo, 1)
        done.result(LIMIT)

        assert first(done, fail(Special()), echo(3)).result(LIMIT) == 1

    def test_loser_that_fails(self, default_executor: AsyncExecutor) -> None:
        """What a loser raises in its cleanup is nobody's business."""
        failed = threading.Event()

        async def stumble() -> None:
            try:
                await asyncio.sleep(LIMIT)
            finally:
                failed.set()
                raise Special

        assert first(stumble(), echo_later(1)).result(LIMIT) == 1
        assert failed.wait(LIMIT)

    def test_loser_that_takes_its_time(self, default_executor: AsyncExecutor) -> None:
        """It does not wait for the cleanup of the others; no collection ends that."""

        async def linger() -> None:
            try:
                await asyncio.sleep(LIMIT)
            finally:
                await gate.wait()
                over.set()

        over = threading.Event()
        with Gate() as gate:
            assert first(linger(), echo_later(1)).result(LIMIT) == 1
            gate.arrived()
            gc.collect()
        assert over.wait(LIMIT)

    def test_cancel(self, default_executor: AsyncExecutor) -> None:
        """Cancelling it cancels all, and waits for their cleanup."""
        events = [threading.Event(), threading.Event()]
        either = first(*(hang(event) for event in events))
        on_each_loop(default_executor, echo_later, 1)  # both have started

        assert either.cancel()

        with pytest.raises(CancelledError):
            either.result(LIMIT)
        assert all(event.is_set() for event in events)

    def test_cancel_with_a_part_that_fails(self, default_executor: AsyncExecutor) -> None:
        """What a part raises when it is cancelled is nobody's business either."""
        with Gate() as gate:

            async def stumble() -> None:
                try:
                    await gate.wait()
                finally:
                    raise Special

            either = first(stumble())
            gate.arrived()

            either.cancel()

            with pytest.raises(CancelledError):
                either.result(LIMIT)

    def test_nothing(self) -> None:
        """There is no first of nothing."""
        with pytest.raises(ValueError, match="at least one"):
            _ = first()


class TestCoroutines:
    """Coroutines that nobody will await: 'never awaited' would be a warning, and so an error."""

    @pytest.mark.parametrize("combine", [gather, first])
    def test_refused(
        self, default_executor: AsyncExecutor, combine: Callable[..., Future[Any]]
    ) -> None:
        """They are closed when the executor was shut down."""
        default_executor.shutdown()
        part = nothing()

        with pytest.raises(InvalidStateError):
            _ = combine(part, nothing())

        gc.collect()
        with pytest.raises(RuntimeError, match="cannot reuse"):
            part.send(None)

    @pytest.mark.parametrize("combine", [gather, first])
    def test_cancelled_before_the_start(
        self, make_executor: MakeExecutor, combine: Callable[..., Future[Any]]
    ) -> None:
        """They are closed when the combination is cancelled before it starts."""
        executor = make_executor(max_workers=1)
        with Gate() as gate:
            occupying = occupy(executor, gate)
            combined = combine(executor.submit(nothing), nothing(), nothing())

            assert combined.cancel()

        occupying.result(LIMIT)

    @pytest.mark.parametrize("combine", [gather, first])
    def test_cancelled_at_the_start(
        self, default_executor: AsyncExecutor, combine: Callable[..., Future[Any]]
    ) -> None:
        """They are closed when it is cancelled before they themselves start."""

        async def cancel_at_once() -> Future[Any]:
            combined = combine(nothing(), nothing())
            asyncio.get_running_loop().call_soon(combined.cancel)
            return combined

        combined = default_executor.submit(cancel_at_once).result(LIMIT)

        concurrent.futures.wait([combined], LIMIT)
        assert combined.done()

    @pytest.mark.parametrize("combine", [gather, first])
    def test_mistaken_for_a_list(
        self, default_executor: AsyncExecutor, combine: Callable[..., Future[Any]]
    ) -> None:
        """What cannot be awaited is refused at once, and the others are closed."""
        with pytest.raises(TypeError, match=r"expect awaitables, got \[1\]"):
            _ = combine(nothing(), [1])

        gc.collect()
        assert default_executor.statistics().pending == 0


@pytest.mark.parametrize("combine", [gather, Future.zip])
def test_cancelled_before_its_parts_begin(
    combine: Callable[[Future[int], Future[int]], Future[tuple[int, int]]],
) -> None:
    """One that is cancelled before the tasks that await its parts have begun cancels them too."""

    def make_loop() -> asyncio.AbstractEventLoop:
        loop = asyncio.new_event_loop()
        loop.set_task_factory(
            lambda loop, coroutine, **options: asyncio.Task(coroutine, loop=loop, **options)
        )
        return loop

    with AsyncExecutor(loop_factory=make_loop) as executor:
        parts = [executor.submit(asyncio.sleep, LIMIT, 1) for _ in range(2)]
        until(lambda: all(part.running() for part in parts))

        async def work() -> Future[tuple[int, int]]:
            combined = combine(*parts)
            executor._loop_thread._run.drain()  # its first step comes next
            assert combined.cancel()
            return combined

        combined = executor.submit(work).result(LIMIT)

        futures: list[Future[Any]] = [combined, *parts]
        for future in futures:
            with pytest.raises(CancelledError):
                future.result(LIMIT)


@pytest.mark.parametrize("combine", [gather, Future.zip])
def test_queued_one_is_cancelled_with_all(
    make_executor: MakeExecutor,
    combine: Callable[[Future[int], Future[int]], Future[tuple[int, int]]],
) -> None:
    """`cancel_futures` cancels also what a queued derived call comes from."""
    busy, other = make_executor(), make_executor()
    with Gate() as gate:

        async def block_loop() -> None:
            gate.block()

        running = busy.submit(block_loop)
        gate.arrived()
        source = other.submit(asyncio.sleep, LIMIT, 1)
        combined = combine(busy.submit(echo, 1), source)

        busy.cancel_futures()

        futures: list[Future[Any]] = [combined, source]
        for future in futures:
            with pytest.raises(CancelledError):
                future.result(LIMIT)
    running.result(LIMIT)
